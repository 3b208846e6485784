//! `/topics`: topics as JSON.

use super::metrics::{join_compressed, offer_compression, value};
use super::{ask, start};
use crate::common::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;

fn topics(admin: SocketAddr, query: &str) -> Value {
    let page = ask(admin, &format!("/topics{query}"));
    assert_eq!(page.status, 200, "{}", page.text());
    serde_json::from_slice(&page.body).expect("JSON")
}

#[test]
fn a_topic_is_shown_with_what_happens_in_it() {
    let (relay, admin) = start(&[]);
    let mut members: Vec<Client> = (0..3)
        .map(|_| Client::join(&relay, "/ws/t%C3%B6%22p"))
        .collect();
    for n in 0..10 {
        members[0].send(&text(&format!("message {n}")));
    }
    for member in &mut members {
        for n in 0..10 {
            member.expect_text(&format!("message {n}"));
        }
    }
    let page = topics(admin, "");
    assert_eq!(page["total"], 1);
    assert_eq!(page["next"], Value::Null);
    let topic = &page["topics"][0];
    assert_eq!(topic["name"], "tö\"p");
    assert_eq!(topic["members"], 3);
    assert_eq!(topic["messages"], 10);
    assert_eq!(topic["members_compressed"], 0);
    assert_eq!(topic["bytes"], 10 * 9);
    assert_eq!(topic["lagging"], 0);
    assert_eq!(topic["lag_bytes_max"], 0);
    let rate = topic["messages_per_second"].as_f64().expect("a number");
    assert!(rate > 0.0 && rate <= 1.0, "{rate}");
    let byte_rate = topic["bytes_per_second"].as_f64().expect("a number");
    assert!((byte_rate - 9.0 * rate).abs() < 1e-6, "{byte_rate}");
    assert_eq!(
        &topics(admin, "?topic=t%C3%B6%22p")["topics"][0]["name"],
        "tö\"p"
    );
    assert_eq!(
        topics(admin, "?topic=other")["topics"],
        Value::Array(vec![])
    );
}

#[test]
fn many_topics_come_in_pages() {
    const TOPICS: usize = 250;
    let (relay, admin) = start(&[]);
    let members: Vec<Client> = (0..TOPICS)
        .map(|topic| Client::join(&relay, &format!("/ws/{topic}")))
        .collect();
    let first = topics(admin, "");
    assert_eq!(first["total"], TOPICS);
    assert_eq!(first["topics"].as_array().map(Vec::len), Some(100));
    let mut names = BTreeSet::new();
    let mut from = 0;
    loop {
        let page = topics(admin, &format!("?limit=30&from={from}"));
        let listed = page["topics"].as_array().expect("topics");
        assert!(listed.len() <= 30);
        for topic in listed {
            let name = topic["name"].as_str().expect("a name").to_owned();
            assert!(names.insert(name), "{topic} comes twice");
        }
        match page["next"].as_u64() {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(names.len(), TOPICS);
    // After an empty page, a client that follows `next` would never end.
    let least = topics(admin, "?limit=0");
    assert_eq!(least["topics"].as_array().map(Vec::len), Some(1));
    assert_ne!(least["next"], 0);
    assert_eq!(
        topics(admin, "?from=18446744073709551615")["next"],
        Value::Null
    );
    let all = topics(admin, "?limit=1000000");
    assert_eq!(all["topics"].as_array().map(Vec::len), Some(TOPICS));
    drop(members);
    eventually("the topics are gone", || topics(admin, "")["total"] == 0);
}

#[test]
fn a_reader_that_lags_is_seen() {
    let (relay, admin) = start(&[]);
    let mut publisher = Client::join(&relay, "/ws/topic?echo=0");
    let _slow = Client::join_small(&relay, "/ws/topic");
    let message = binary(&[7; 60_000]);
    eventually("the slow reader lags", || {
        publisher.send(&message);
        topics(admin, "")["topics"][0]["lagging"] == 1
    });
    let topic = &topics(admin, "")["topics"][0];
    let lag = topic["lag_bytes_max"].as_u64().expect("a number");
    let held = topic["log_bytes"].as_u64().expect("a number");
    assert!(lag > 0 && held >= lag, "{topic}");
}

#[test]
fn a_topic_is_one_whatever_its_members_read() {
    let (relay, admin) = start(&[]);
    let mut plain = Client::join(&relay, "/ws/topic?echo=0");
    let mut others = [
        Client::join(&relay, "/ws/topic"),
        join_compressed(&relay, "/ws/topic", ""),
        join_compressed(&relay, "/ws/topic", "; server_max_window_bits=9"),
    ];
    for _ in 0..10 {
        plain.send(&text(&"story ".repeat(500)));
    }
    for member in &mut others {
        (0..10).for_each(|_| drop(member.any_frame()));
    }
    let topic = &topics(admin, "")["topics"][0];
    assert_eq!(topic["members"], 4);
    assert_eq!(topic["members_compressed"], 2);
    assert_eq!(topic["messages"], 10);
    assert_eq!(topic["bytes"], 10 * 3000, "as they were published");
    let rate = topic["messages_per_second"].as_f64().expect("a number");
    assert!(rate > 0.0 && rate <= 1.0, "{rate}");

    // A member that joins later, and reads another encoding, changes none of that.
    drop(plain);
    let [first, ..] = others;
    drop(first);
    eventually("only compressed members are left", || {
        topics(admin, "")["topics"][0]["members"] == 2
    });
    let _late = Client::join(&relay, "/ws/topic");
    eventually("it is there", || {
        let topic = &topics(admin, "")["topics"][0];
        topic["members"] == 3 && topic["messages"] == 10 && topic["lagging"] == 0
    });
}

#[test]
fn laggards_of_every_encoding_are_seen() {
    let (relay, admin) = start(&["--compression-bytes-min", "1"]);
    let mut publisher = Client::join(&relay, "/ws/topic?echo=0");
    let _slow = Client::join_small(&relay, "/ws/topic");
    let mut slow = Client::connect_small(&relay);
    offer_compression(&mut slow, "/ws/topic", "");
    let mut state = 1u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"abcd"[(state >> 30) as usize]
    };
    let message: Vec<u8> = std::iter::repeat_with(&mut letter).take(60_000).collect();
    eventually("both slow readers lag", || {
        publisher.send(&binary(&message));
        topics(admin, "")["topics"][0]["lagging"] == 2
    });
    let page = ask(admin, "/metrics").text();
    assert_eq!(value(&page, "fanfare_lagging_members"), 2.0);
    let lag = topics(admin, "")["topics"][0]["lag_bytes_max"].as_f64();
    assert_eq!(lag, Some(value(&page, "fanfare_lag_max_bytes")));
    drop(slow);
    eventually("one is left", || {
        value(&ask(admin, "/metrics").text(), "fanfare_lagging_members") == 1.0
    });
}
