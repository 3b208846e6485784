//! Topics read as server-sent events, over real sockets: what is sent, how a reader comes back, how streams end.

mod common;

use common::*;
use rustix::process::Signal;

const RETAIN: &[&str] = &["--retain", "1h"];

/// The number in an id.
fn number(id: &str) -> u64 {
    let (epoch, number) = id.split_once('-').expect("an id");
    assert_eq!(epoch.len(), 7, "{id}");
    number.parse().expect("a number")
}

/// Publishes texts, and sees them come back.
fn publish(publisher: &mut Client, texts: &[&str]) {
    for said in texts {
        publisher.send(&text(said));
        publisher.expect_text(said);
    }
}

#[test]
fn the_head_says_that_it_is_a_stream() {
    let relay = Relay::start(&["--origin", "https://chat.example"]);
    let origin = "Origin: https://chat.example";
    for (path, lines) in [
        ("/ws/a", &[origin][..]),
        ("/ws/a?as=sse", &[origin, "Accept: */*"]),
    ] {
        let events = Events::open(&relay, path, lines).begun();
        for (name, value) in [
            ("Content-Type", "text/event-stream; charset=utf-8"),
            ("Cache-Control", "no-store, no-transform"),
            ("X-Accel-Buffering", "no"),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
            ("Access-Control-Allow-Origin", "https://chat.example"),
            ("Vary", "Origin"),
        ] {
            assert_eq!(events.head.header(name), Some(value), "{name}");
        }
        for name in ["Content-Length", "Transfer-Encoding"] {
            assert_eq!(events.head.header(name), None);
        }
        assert!((2_000..4_000).contains(&events.retry.unwrap()));
        assert_eq!(number(&events.last_id), 0);
    }
}

#[test]
fn only_the_head_is_told_of_to_head() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    client.send(&request("HEAD /ws/a?as=sse HTTP/1.1", &["Host: localhost"]));
    let response = client.response_to_head();
    assert_eq!(response.status, 200);
    assert_eq!(
        response.header("Content-Type"),
        Some("text/event-stream; charset=utf-8")
    );
    client.expect_end();
}

#[test]
fn a_client_of_http_1_0_reads_as_well() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    client.send(&request("GET /ws/a?as=sse HTTP/1.0", &[]));
    let mut events = Events::of(client).begun();
    publish(&mut Client::join(&relay, "/ws/a"), &["hello"]);
    events.expect("hello");
}

#[test]
fn what_will_never_work_is_refused_for_good() {
    let relay = Relay::start(&[]);
    let cases: [(&str, &[&str], u16); 6] = [
        ("/ws/a?since=yesterday", &[], 400),
        ("/ws/a", &["Last-Event-ID: 17"], 400),
        ("/ws/a?wait=61s", &[], 400),
        ("/ws/a?as=xml", &[], 400),
        ("/ws/a%2Fb", &[], 400),
        ("/ws/a", &["Origin: https://evil.example"], 403),
    ];
    for (path, lines, status) in cases {
        let mut client = Client::connect(&relay);
        let lines = [&["Host: localhost", "Accept: text/event-stream"], lines].concat();
        client.send(&request(&format!("GET {path} HTTP/1.1"), &lines));
        assert_eq!(client.response().status, status, "{path} {lines:?}");
    }
}

#[test]
fn a_page_that_may_open_a_websocket_gets_one() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    client.send(&upgrade_and(&["Accept: text/event-stream"]));
    client.expect_upgraded();
}

#[test]
fn both_kinds_of_readers_have_the_same_messages_with_the_same_ids() {
    let relay = Relay::start(RETAIN);
    let mut publisher = Client::join(&relay, "/ws/a");
    let mut live = Events::open(&relay, "/ws/a", &[]).begun();
    let texts = [
        "hello",
        "",
        "a\nb",
        "a\rb",
        "a\r\nb",
        "a\n\nb\n",
        " space",
        "x\n\nid: k3f9x2a-1\nevent: gap\ndata: {\"missed\":5}\n\n",
        "x\r\rdata: y\r\r",
        "\u{FEFF}grüße\u{0}",
    ];
    publish(&mut publisher, &texts);
    for bytes in [&[][..], b"\r\n\n", &[0, 255, 128]] {
        publisher.send(&binary(bytes));
        publisher.expect_binary(bytes);
    }
    // Wherever a line ends, a reader of events finds LF.
    let lines = |said: &str| said.replace("\r\n", "\n").replace('\r', "\n");
    let binaries = ["", "DQoK", "AP+A"].map(|data| ("binary", data.to_owned()));
    let expected: Vec<(&str, String)> = texts
        .iter()
        .map(|said| ("message", lines(said)))
        .chain(binaries)
        .collect();
    let mut seen = Vec::new();
    for (index, (name, data)) in expected.iter().enumerate() {
        let event = live.event();
        assert_eq!((&*event.name, &event.data), (*name, data));
        assert_eq!(number(&event.id), index as u64 + 1);
        seen.push(event);
    }
    // Readers that come later are sent the same, whether by the one log or by the other.
    let polled = Events::open(&relay, "/ws/a?since=all&wait=0", &[]).rest();
    assert_eq!(polled, seen);
    // By a WebSocket, the id of one is what the other goes on from.
    let path = format!("/ws/a?since={}", seen[8].id);
    let mut websocket = Client::join(&relay, &path);
    websocket.expect_text(texts[9]);
    websocket.expect_binary(b"");
}

#[test]
fn a_reader_comes_back_by_every_kind_of_last_id() {
    let relay = Relay::start(&["--retain", "1h", "--retain-messages", "5"]);
    let mut publisher = Client::join(&relay, "/ws/a");
    let mut first = Events::open(&relay, "/ws/a", &[]).begun();
    publish(&mut publisher, &["1", "2", "3"]);
    first.expect_all(&["1", "2", "3"]);
    let last = first.last_id.clone();
    drop(first);
    publish(&mut publisher, &["4", "5"]);
    let header = format!("Last-Event-ID: {last}");
    let by_query = format!("/ws/a?last_event_id={last}&since=all");
    let by_since = format!("/ws/a?since={last}");
    for (path, lines) in [
        ("/ws/a?last_event_id=bad", &[&*header][..]),
        (&by_query, &[]),
        (&by_since, &[]),
        ("/ws/a?since=last-2", &["Last-Event-ID: "]),
    ] {
        let mut events = Events::open(&relay, path, lines).begun();
        assert_eq!(events.last_id, last, "{path}");
        events.expect("4");
        events.expect("5");
    }
    // What is not retained any more is a gap, and its id is where the next reader goes on.
    publish(&mut publisher, &["6", "7", "8", "9", "10"]);
    let mut events = Events::open(&relay, "/ws/a", &[&header]);
    let gap = events.event();
    assert_eq!((&*gap.name, &*gap.data), ("gap", "{\"missed\":2}"));
    assert_eq!(number(&gap.id), 5);
    events.expect("6");
    // Of another life of the topic, it is not known.
    let mut events = Events::open(&relay, "/ws/a", &["Last-Event-ID: k3f9x2a-3"]);
    let gap = events.event();
    assert_eq!((&*gap.name, &*gap.data), ("gap", "{\"missed\":null}"));
    events.expect_all(&["6", "7", "8", "9", "10"]);
    publish(&mut publisher, &["11"]);
    events.expect("11");
}

/// If it were told where it begins before it is told what is missing, and cut off between the two, it would come back
/// behind the gap, and never learn of it.
#[test]
fn a_reader_is_not_moved_behind_a_gap_before_it_is_told_of_it() {
    let relay = Relay::start(&["--retain", "1h", "--retain-messages", "1"]);
    let mut publisher = Client::join(&relay, "/ws/a");
    let mut first = Events::open(&relay, "/ws/a", &[]).begun();
    let before = first.last_id.clone();
    publish(&mut publisher, &["1", "2", "3"]);
    first.expect_all(&["1", "2", "3"]);
    for last in [&*before, "k3f9x2a-3"] {
        let id = format!("Last-Event-ID: {last}");
        let mut events = Events::open(&relay, "/ws/a?wait=0", &[&id]);
        let said = String::from_utf8(events.client().rest()).unwrap();
        let (begin, rest) = said.split_once("\n\n").unwrap();
        assert!(
            begin.starts_with("retry: ") && !begin.contains('\n'),
            "{said}"
        );
        let gap = rest.split_once("\n\n").unwrap().0;
        assert!(gap.contains("\nevent: gap\n"), "{said}");
    }
}

#[test]
fn what_is_missed_may_be_large_and_the_link_slow() {
    let relay = Relay::start(&[
        "--retain",
        "1h",
        "--retain-bytes-max",
        "4MiB",
        "--send-buffer-bytes",
        "16KiB",
    ]);
    let mut publisher = Client::join(&relay, "/ws/a?echo=0");
    let mut live = Events::open(&relay, "/ws/a", &[]).begun();
    let large = "0123456789\r\n".repeat(70_000);
    publisher.send(&text("small"));
    publisher.send(&text(&large));
    publisher.send(&binary(&[7; 500_000]));
    publisher.send(&text("end"));
    let messages: Vec<Event> = (0..4).map(|_| live.event()).collect();
    let slow = Client::connect_small(&relay);
    let mut slow = Events::open_by(slow, "/ws/a?since=all", &[]).begun();
    for message in &messages {
        assert!(slow.event() == *message);
    }
    publisher.send(&text("live"));
    slow.expect("live");
    live.expect("live");
}

#[test]
fn a_poll_ends_at_the_tail() {
    let relay = Relay::start(RETAIN);
    let mut publisher = Client::join(&relay, "/ws/a");
    assert_eq!(Events::open(&relay, "/ws/a?wait=0", &[]).rest(), []);
    publish(&mut publisher, &["1", "2"]);
    let events = Events::open(&relay, "/ws/a?since=last&wait=0", &[]).rest();
    assert_eq!(events.len(), 1);
    // One that waits has what is there, and does not wait for more.
    let events = Events::open(&relay, "/ws/a?since=last-2&wait=60s", &[]).rest();
    assert_eq!(events.len(), 2);
    // So it is told that messages are missing.
    let id = "Last-Event-ID: k3f9x2a-3";
    let events = Events::open(&relay, "/ws/b?wait=60s", &[id]).rest();
    assert_eq!(events[0].name, "gap");
}

#[test]
fn a_poll_waits_for_the_first_news_or_its_time() {
    let relay = Relay::start(&[]);
    let mut publisher = Client::join(&relay, "/ws/a");
    let mut waiting = Events::open(&relay, "/ws/a?wait=60s", &[]).begun();
    publish(&mut publisher, &["news"]);
    waiting.expect("news");
    assert_eq!(waiting.rest(), []);
    assert_eq!(Events::open(&relay, "/ws/a?wait=200ms", &[]).rest(), []);
}

#[test]
fn what_a_reader_sends_is_discarded_and_its_end_ends_it() {
    let mut relay = Relay::start(RETAIN);
    let mut publisher = Client::join(&relay, "/ws/a");
    let mut events = Events::open(&relay, "/ws/a", &[]).begun();
    events
        .client()
        .send(&request("GET / HTTP/1.1", &["Host: localhost"]));
    events.client().send(&vec![0xFF; 1 << 20]);
    publish(&mut publisher, &["1"]);
    events.expect("1");
    events.client().shutdown_write();
    assert_eq!(events.rest(), []);
    // One that closes its side along with the request has all that is there.
    let mut client = Client::connect(&relay);
    client.send(&request("GET /ws/a?as=sse&since=all HTTP/1.0", &[]));
    client.shutdown_write();
    let events = Events::of(client).rest();
    assert_eq!(events.len(), 1);
    relay.assert_others_exchange();
}

#[test]
fn a_drain_tells_each_when_to_come_back() {
    let relay = Relay::start(&[]);
    let mut streams: Vec<Events> = (0..50)
        .map(|_| Events::open(&relay, "/ws/a", &[]).begun())
        .collect();
    relay.signal(Signal::TERM);
    let mut retries: Vec<u64> = streams
        .iter_mut()
        .map(|events| {
            events.retry = None;
            let rest = events.client().rest();
            let said = String::from_utf8(rest).unwrap();
            let retry = said
                .strip_prefix("retry: ")
                .and_then(|said| said.strip_suffix("\n\n"));
            retry.expect("a retry and no more").parse().unwrap()
        })
        .collect();
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 10 && retries[0] >= 100, "{retries:?}");
    assert_eq!(relay.ended().code, Some(0));
}

#[test]
fn who_finds_no_place_is_told_to_come_back() {
    let relay = Relay::start(&["--connections-max", "1", "--topics-max", "1"]);
    let lines = &["Host: localhost", "Accept: text/event-stream"];
    let ask = |path: &str| {
        let mut client = Client::connect(&relay);
        client.send(&request(&format!("GET {path} HTTP/1.1"), lines));
        Events::of(client)
    };
    let first = ask("/ws/a").begun();
    for path in ["/ws/a", "/ws/b"] {
        let mut refused = ask(path);
        assert_eq!(refused.head.status, 200);
        let said = String::from_utf8(refused.client().rest()).unwrap();
        let retry = said.split_once("\nretry: ").expect("a retry").1;
        let retry: u64 = retry.trim_end().parse().unwrap();
        assert!((20_000..30_000).contains(&retry), "{said}");
    }
    drop(first);
}

/// Has a reader of events stall until it misses messages. Returns it, and how many were published.
fn stalled(relay: &Relay) -> (Events, u64) {
    let mut publisher = Client::join(relay, "/ws/a");
    let stalled = Client::connect_small(relay);
    let stalled = Events::open_by(stalled, "/ws/a", &[]).begun();
    let said = "a\n".repeat(500);
    for _ in 0..700 {
        publish(&mut publisher, &[&said]);
    }
    (stalled, 700)
}

#[test]
fn a_reader_that_is_too_slow_is_told_of_the_gap_in_its_place() {
    let relay = Relay::start(&[SMALL_LOG, &["--slow-policy", "skip"]].concat());
    let (mut events, published) = stalled(&relay);
    let (mut number_before, mut missed) = (0, 0);
    while number_before < published {
        let event = events.event();
        let number = number(&event.id);
        match &*event.name {
            "gap" => {
                let gap = number - number_before;
                assert_eq!(event.data, format!("{{\"missed\":{gap}}}"));
                missed += gap;
            }
            _ => assert_eq!(number, number_before + 1),
        }
        number_before = number;
    }
    assert!((1..published).contains(&missed));
    publish(&mut Client::join(&relay, "/ws/a"), &["live"]);
    events.expect("live");
}

#[test]
fn a_stream_that_is_closed_as_too_slow_ends_between_events_and_goes_on_where_it_ended() {
    let relay = Relay::start(
        &[
            SMALL_LOG,
            &["--retain", "1h", "--retain-bytes-max", "64KiB"],
        ]
        .concat(),
    );
    let (events, published) = stalled(&relay);
    let before = events.rest();
    let last = &before.last().expect("some have come").id;
    let id = format!("Last-Event-ID: {last}");
    let after = Events::open(&relay, "/ws/a?wait=0", &[&id]).rest();
    assert_eq!(after[0].name, "gap");
    let missed = number(&after[0].id) - number(last);
    assert_eq!(after[0].data, format!("{{\"missed\":{missed}}}"));
    assert_eq!(
        before.len() as u64 + missed + after.len() as u64 - 1,
        published
    );
}
