//! `/topics`: rooms as JSON.

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
fn a_room_is_shown_with_what_happens_in_it() {
    let (relay, admin) = start(&[]);
    let mut members: Vec<Client> = (0..3)
        .map(|_| Client::join(&relay, "/ws/r%C3%B6%22m"))
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
    assert_eq!(page["topics"], 1);
    assert_eq!(page["next"], Value::Null);
    let room = &page["rooms"][0];
    assert_eq!(room["name"], "rö\"m");
    assert_eq!(room["members"], 3);
    assert_eq!(room["messages"], 10);
    assert_eq!(room["bytes"], 10 * (2 + 9));
    assert_eq!(room["lagging"], 0);
    assert_eq!(room["lag_bytes_max"], 0);
    let rate = room["messages_per_second"].as_f64().expect("a number");
    assert!(rate > 0.0 && rate <= 1.0, "{rate}");
    let byte_rate = room["bytes_per_second"].as_f64().expect("a number");
    assert!((byte_rate - 11.0 * rate).abs() < 1e-6, "{byte_rate}");
    assert_eq!(
        &topics(admin, "?topic=r%C3%B6%22m")["rooms"][0]["name"],
        "rö\"m"
    );
    assert_eq!(topics(admin, "?topic=other")["rooms"], Value::Array(vec![]));
}

#[test]
fn many_rooms_come_in_pages() {
    const ROOMS: usize = 250;
    let (relay, admin) = start(&[]);
    let members: Vec<Client> = (0..ROOMS)
        .map(|room| Client::join(&relay, &format!("/ws/{room}")))
        .collect();
    let first = topics(admin, "");
    assert_eq!(first["topics"], ROOMS);
    assert_eq!(first["rooms"].as_array().map(Vec::len), Some(100));
    let mut names = BTreeSet::new();
    let mut from = 0;
    loop {
        let page = topics(admin, &format!("?limit=30&from={from}"));
        let rooms = page["rooms"].as_array().expect("rooms");
        assert!(rooms.len() <= 30);
        for room in rooms {
            let name = room["name"].as_str().expect("a name").to_owned();
            assert!(names.insert(name), "{room} comes twice");
        }
        match page["next"].as_u64() {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(names.len(), ROOMS);
    // A page of none would have whoever follows `next` go round for ever.
    let least = topics(admin, "?limit=0");
    assert_eq!(least["rooms"].as_array().map(Vec::len), Some(1));
    assert_ne!(least["next"], 0);
    assert_eq!(
        topics(admin, "?from=18446744073709551615")["next"],
        Value::Null
    );
    let all = topics(admin, "?limit=1000000");
    assert_eq!(all["rooms"].as_array().map(Vec::len), Some(ROOMS));
    drop(members);
    eventually("the rooms are gone", || topics(admin, "")["topics"] == 0);
}

#[test]
fn a_reader_that_lags_is_seen() {
    let (relay, admin) = start(&[]);
    let mut publisher = Client::join(&relay, "/ws/room?echo=0");
    let _slow = Client::join_small(&relay, "/ws/room");
    let message = binary(&[7; 60_000]);
    eventually("the slow reader lags", || {
        publisher.send(&message);
        topics(admin, "")["rooms"][0]["lagging"] == 1
    });
    let room = &topics(admin, "")["rooms"][0];
    let lag = room["lag_bytes_max"].as_u64().expect("a number");
    let held = room["log_bytes"].as_u64().expect("a number");
    assert!(lag > 0 && held >= lag, "{room}");
}
