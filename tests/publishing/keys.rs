//! Requests that are repeated: the same `Idempotency-Key` is the same message.

use super::*;

fn keyed(path: &str, key: &str, body: &str) -> Vec<u8> {
    let key = format!("Idempotency-Key: {key}");
    post_with(path, &[&key], body.as_bytes())
}

#[test]
fn a_repeated_request_publishes_once() {
    let relay = Relay::start(&["--retain", "1m", "--retain-messages", "3"]);
    let mut reader = Client::join(&relay, "/ws/orders");
    let mut client = Client::connect(&relay);
    client.send(&keyed("/ws/orders", "\"8e03978e\"", "first"));
    assert_eq!(expect_posted(&mut client, 1), Some(1));
    client.send(&keyed("/ws/orders", "other", "second"));
    assert_eq!(expect_posted(&mut client, 1), Some(2));
    // Pipelined, over another connection, in chunks, and with another body.
    let mut other = Client::connect(&relay);
    other.send(&keyed("/ws/orders", "\"8e03978e\"", "first").repeat(2));
    assert_eq!(expect_posted(&mut other, 1), Some(1));
    assert_eq!(expect_posted(&mut other, 1), Some(1));
    let key = ["Idempotency-Key: other"];
    other.send(&chunked_with("/ws/orders", &key, &[b"changed"]));
    assert_eq!(expect_posted(&mut other, 1), Some(2));
    // In another topic it is another one.
    other.send(&keyed("/ws/invoices", "other", "second"));
    assert_eq!(expect_posted(&mut other, 0), Some(1));
    reader.expect_text("first");
    reader.expect_text("second");
    // As long as its message is retained.
    other.send(&[post("/ws/orders", "x"), post("/ws/orders", "y")].concat());
    assert_eq!(expect_posted(&mut other, 1), Some(3));
    assert_eq!(expect_posted(&mut other, 1), Some(4));
    other.send(&keyed("/ws/orders", "\"8e03978e\"", "again"));
    assert_eq!(expect_posted(&mut other, 1), Some(5));
    ["x", "y", "again"]
        .iter()
        .for_each(|text| reader.expect_text(text));
}

#[test]
fn keys_that_are_none() {
    let relay = Relay::start(&["--retain", "1m"]);
    let longest = "k".repeat(64);
    let mut client = Client::connect(&relay);
    client.send(&keyed("/ws", &longest, "x"));
    assert_eq!(client.response().status, 200);
    for key in ["", "a b", "kéy", &format!("{longest}k")] {
        let mut client = Client::connect(&relay);
        client.send(&keyed("/ws", key, "x"));
        let response = client.response();
        assert_eq!(response.status, 400, "{key}");
        assert!(
            response.text().contains("Idempotency-Key"),
            "{}",
            response.text()
        );
        client.expect_end();
    }
    for request in [
        post_with("/ws", &["Idempotency-Key: a", "Idempotency-Key: b"], b"x"),
        keyed("/ws?each=line", "a", "x"),
    ] {
        let mut client = Client::connect(&relay);
        client.send(&request);
        assert_eq!(client.response().status, 400);
        client.expect_end();
    }
}

#[test]
fn a_key_is_nothing_where_nothing_is_retained() {
    let relay = Relay::start(&[]);
    let _reader = Client::join(&relay, "/ws");
    let mut client = Client::connect(&relay);
    client.send(&keyed("/ws", "a", "x"));
    let response = client.response();
    assert_eq!(response.status, 400);
    assert!(
        response.text().contains("retains none"),
        "{}",
        response.text()
    );
    client.expect_end();
}
