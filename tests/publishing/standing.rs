//! How a topic stands.

use super::*;

fn ask(client: &mut Client, path: &str) -> Response {
    client.send(&request(&format!("GET {path} HTTP/1.1"), &[HOST]));
    client.response()
}

#[test]
fn what_is_said_of_a_topic() {
    let relay = Relay::start(&["--retain", "1m"]);
    let mut client = Client::connect(&relay);
    let response = ask(&mut client, "/ws/new?as=info");
    assert_eq!(response.status, 404);
    client.expect_end();
    let mut client = Client::connect(&relay);
    let _reader = Client::join(&relay, "/ws/new");
    let said = json(&ask(&mut client, "/ws/new?as=info"));
    assert_eq!(
        (&said["topic"], &said["readers"]),
        (&"new".into(), &1.into())
    );
    assert_eq!(
        (number(said["id"].as_str().expect("an id")), &said["oldest"]),
        (0, &Value::Null)
    );
    client.send(&[post("/ws/new", "a"), post("/ws/new", "b")].concat());
    let first = expect_posted(&mut client, 1);
    let last = expect_posted(&mut client, 1);
    let response = ask(&mut client, "/ws/new?as=info");
    let said = json(&response);
    let id = |field: &str| said[field].as_str().map(number);
    assert_eq!((id("oldest"), id("id")), (first, last));
    assert_eq!(said["retained_messages"], 2);
    assert!(
        said["retained_bytes"]
            .as_u64()
            .is_some_and(|bytes| bytes > 0)
    );
    assert_eq!(response.header("Cache-Control"), Some("no-store"));
    assert_eq!(response.header("X-Content-Type-Options"), Some("nosniff"));
    client.send(&request("HEAD /ws/new?as=info HTTP/1.1", &[HOST]));
    let head = client.response_to_head();
    assert_eq!(
        (head.status, head.header("Content-Length")),
        (200, response.header("Content-Length"))
    );
    // The connection goes on.
    assert_eq!(ask(&mut client, "/ws/new?as=info").status, 200);
    client.send(&request("HEAD /ws/nobody?as=info HTTP/1.1", &[HOST]));
    assert_eq!(client.response_to_head().status, 404);
    client.expect_end();
}
