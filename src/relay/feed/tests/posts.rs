//! Messages that are published by HTTP, and ordered elsewhere.

use super::*;

impl Node {
    /// A client that sends this request, and nothing else.
    fn request(&mut self, request: &str) -> ConnId {
        let id = self.relay.handle_accept(Side::Public, PeerAddress::Unknown);
        let client = Client {
            sent: request.into(),
            ..Client::default()
        };
        self.clients.insert(id, client);
        self.turn();
        self.rest();
        id
    }

    fn post(&mut self, target: &str, body: &str) -> ConnId {
        let length = body.len();
        self.request(&format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    /// All offers get their numbers, one at a time.
    fn commit_all(&mut self, number: &mut u64) -> Vec<String> {
        let mut payloads = Vec::new();
        loop {
            let offers = self.offers();
            if offers.is_empty() {
                return payloads;
            }
            for offer in offers {
                *number += 1;
                payloads.push(String::from_utf8_lossy(&offer.payload).into_owned());
                let committed = self.commit(super::id(*number), &offer);
                assert_eq!(committed, Committed::Appended);
                self.turn();
                self.rest();
            }
        }
    }

    fn answers(&mut self, id: ConnId) -> String {
        let client = self.clients.get_mut(&id).map(|client| &mut client.received);
        let received = client.or_else(|| self.gone.get_mut(&id));
        let received = std::mem::take(received.expect("it joined"));
        String::from_utf8(received).expect("answers are text")
    }
}

#[test]
fn a_request_is_answered_once_its_message_has_its_number() {
    let mut node = Node::new(|_| {});
    node.join("/ws/t");
    let publisher = node.post("/ws/t", "hello");
    assert_eq!(node.answers(publisher), "");
    assert_eq!(node.commit_all(&mut 0), ["hello"]);
    let answer = node.answers(publisher);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.contains(&format!("\"id\":\"{}\"", id(1))),
        "{answer}"
    );
}

/// A body that was whole waited for ever: for the numbers of its first lines, which had come, while its last ones waited
/// for space.
#[test]
fn lines_that_wait_for_space_while_others_travel() {
    let mut node = Node::new(|limits| limits.unsettled_bytes_max = 1);
    node.join("/ws/t");
    let publisher = node.post("/ws/t?each=line", "one\ntwo\nthree\nfour");
    assert_eq!(node.answers(publisher), "");
    assert_eq!(node.commit_all(&mut 0), ["one", "two", "three", "four"]);
    let answer = node.answers(publisher);
    assert!(answer.contains("\"published\":4"), "{answer}");
    assert!(
        answer.contains(&format!("\"id\":\"{}\"", id(4))),
        "{answer}"
    );
}

/// What a publisher is told is published has its number.
#[test]
fn a_bad_line_is_told_of_once_those_before_it_are_published() {
    let mut node = Node::new(|_| {});
    node.join("/ws/t");
    let long = "x".repeat(Limits::of_tests().message_bytes_max + 1);
    let publisher = node.post("/ws/t?each=line", &format!("one\ntwo\n{long}\nfour"));
    assert_eq!(node.answers(publisher), "");
    assert_eq!(node.commit_all(&mut 0), ["one", "two"]);
    let answer = node.answers(publisher);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"published\":2,\"line\":3"), "{answer}");
}

/// The same if the relay goes down.
#[test]
fn a_drain_waits_for_what_travels() {
    let mut node = Node::new(|_| {});
    node.join("/ws/t");
    let publisher = node.request(
        "POST /ws/t?each=line HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         8\r\none\ntwo\n\r\n",
    );
    node.relay.handle_shutdown(0);
    node.turn();
    assert_eq!(node.answers(publisher), "");
    for (number, offer) in node.offers().iter().enumerate() {
        node.relay
            .settle_offer(offer.number, Some(id(number as u64 + 1)));
    }
    node.turn();
    let answer = node.answers(publisher);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\"published\":2,\"line\":3"), "{answer}");
}
