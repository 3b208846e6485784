//! Who may publish, and how much.

use super::*;

#[test]
fn where_only_http_may_publish() {
    let relay = Relay::start(&["--publish", "http"]);
    let mut reader = Client::join(&relay, "/ws");
    let mut client = Client::connect(&relay);
    client.send(&post("/ws", "by HTTP"));
    assert_eq!(expect_posted(&mut client, 1), Some(1));
    reader.expect_text("by HTTP");
    reader.send(&text("by a WebSocket"));
    reader.expect_close(1008);
}

#[test]
fn where_nobody_may_publish() {
    let relay = Relay::start(&["--publish", "nobody"]);
    let _reader = Client::join(&relay, "/ws");
    for request in [
        post("/ws", "x"),
        chunked_with("/ws", &[], &[b"x"]),
        post("/ws?each=line", "x"),
        post("/ws/nobody", "x"),
    ] {
        let mut client = Client::connect(&relay);
        client.send(&request);
        assert_eq!(client.response().status, 403);
        client.expect_end();
    }
}

/// The statuses of so many messages, each by a connection of its own from that address.
fn statuses(relay: &Relay, ip: &str, count: usize, headers: &[&str]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        let mut client = Client::connect_from(relay, ip);
        client.send(&post_with("/ws", headers, b"x"));
        let response = client.response();
        if response.status == 429 {
            assert_eq!(response.header("Retry-After"), Some("1"));
        }
        statuses.push(response.status);
    }
    statuses
}

#[test]
fn so_many_messages_of_each_address() {
    let relay = Relay::start(&["--messages-per-second-max", "1"]);
    // What five seconds may bring comes at once; it is refilled while the test runs.
    let first = statuses(&relay, "127.0.0.2", 40, &[]);
    assert_eq!(first[..5], [200; 5]);
    assert!(first.contains(&429), "{first:?}");
    assert_eq!(statuses(&relay, "127.0.0.3", 5, &[]), [200; 5]);
    // Of lines, each counts.
    let mut client = Client::connect_from(&relay, "127.0.0.4");
    client.send(&post("/ws?each=line", &"x\n".repeat(100)));
    let response = client.response();
    assert_eq!(response.status, 429);
    let said = json(&response);
    let published = said["published"].as_u64().expect("a number");
    assert!((5..100).contains(&published), "{said}");
    assert_eq!(said["line"], published + 1);
    // Pipelined, each counts; what is refused ends the connection.
    let mut client = Client::connect_from(&relay, "127.0.0.5");
    client.send(&post("/ws", "x").repeat(100));
    let statuses: Vec<u16> = std::iter::repeat_with(|| client.response().status)
        .take_while(|&status| status == 200)
        .collect();
    assert!((5..100).contains(&statuses.len()), "{statuses:?}");
    client.expect_end();
}

#[test]
fn each_client_of_a_proxy_has_its_own() {
    let relay = Relay::start(&[
        "--messages-per-second-max",
        "1",
        "--client-address",
        "forwarded-for",
        "--trusted-proxy",
        "127.0.0.1",
    ]);
    for client in ["192.0.2.1", "192.0.2.2"] {
        let via = format!("X-Forwarded-For: {client}");
        let statuses = statuses(&relay, "127.0.0.1", 40, &[&via]);
        assert_eq!(statuses[..5], [200; 5], "{client}");
        assert!(statuses.contains(&429), "{client}: {statuses:?}");
    }
    // One connection of the proxy's carries requests of many clients.
    let mut proxy = Client::connect(&relay);
    for client in 3..40 {
        let via = format!("X-Forwarded-For: 192.0.2.{client}");
        let sized = post_with("/ws", &[&via], b"x");
        let chunks = chunked_with("/ws", &[&via], &[b"x", b"y"]);
        proxy.send(&[sized.repeat(2), chunks, sized].concat());
        for _ in 0..4 {
            assert_eq!(proxy.response().status, 200, "{client}");
        }
    }
}

#[test]
fn so_many_topics() {
    let relay = Relay::start(&["--topics-max", "1", "--retain", "1m"]);
    let _reader = Client::join(&relay, "/ws/first");
    let mut client = Client::connect(&relay);
    client.send(&post("/ws/first", "x"));
    assert_eq!(expect_posted(&mut client, 1), Some(1));
    // Without a place it is not retained, and has no number.
    client.send(&post("/ws/second", "x"));
    assert_eq!(expect_posted(&mut client, 0), None);
    client.send(&post("/ws/first", "y"));
    assert_eq!(expect_posted(&mut client, 1), Some(2));
}
