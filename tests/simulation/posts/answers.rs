//! Answers, held against the requests that they are for.

use super::character::Character;
use super::publisher::{Promise, Publisher, UnderWay};
use super::request::{Request, Verdict};
use fanfare::wheel::Tick;
use serde_json::Value;

/// Bytes of a request that a connection may hold whatever the others do.
const GATHER_BYTES_FREE: usize = 16 * 1024;

/// What an answer is judged in.
pub(super) struct Scene<'a> {
    pub(super) now: Tick,
    pub(super) is_shut_down: bool,
    pub(super) character: &'a Character,
}

impl Publisher {
    /// The relay wrote these bytes.
    pub(super) fn receive(&mut self, bytes: &[u8], scene: &Scene) {
        self.received.extend_from_slice(bytes);
        loop {
            let end = self
                .received
                .windows(4)
                .position(|four| four == b"\r\n\r\n");
            let Some(end) = end.map(|end| end + 4) else {
                return;
            };
            let head = String::from_utf8(self.received[..end].to_vec()).expect("a head is text");
            let status: u16 = head[9..12].parse().expect("a status");
            let length = head.split("Content-Length: ").nth(1);
            let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
            let whole = end + length.unwrap_or(0);
            if self.received.len() < whole {
                return;
            }
            let body: Vec<u8> = self.received.drain(..whole).skip(end).collect();
            self.judge(status, &head, &body, scene);
        }
    }

    fn judge(&mut self, status: u16, head: &str, body: &[u8], scene: &Scene) {
        let number = self.number;
        assert!(
            !self.is_answered_last,
            "publisher {number} is answered after the end: {head}"
        );
        if status == 100 {
            let first = self.under_way.front_mut().expect("a request");
            assert!(
                first.request.expects && !first.is_told_to_go_on,
                "told to go on: {head}"
            );
            first.is_told_to_go_on = true;
            return;
        }
        let keeps = head.contains("Connection: keep-alive");
        self.is_answered_last = !keeps;
        let is_late = self.is_due(scene.now);
        let (since, handed) = (self.since, self.handed());
        (self.since, self.is_first, self.body_since) = (scene.now, false, None);
        let first = self.under_way.pop_front();
        if status == 408 {
            assert!(
                is_late && !keeps,
                "publisher {number} has time, since {since:?}: {head}"
            );
        }
        let Some(UnderWay { request, begin, .. }) = first else {
            assert_eq!(status, 408, "publisher {number} has asked for nothing");
            return;
        };
        let has_head = handed >= begin + request.head_bytes as u64;
        if has_head && request.has_origin {
            let allowed = "Access-Control-Allow-Origin: https://page.example\r\n";
            assert!(head.contains(allowed), "{head}");
        }
        let limits = &scene.character.limits;
        let is_allowed = match status {
            408 => is_late,
            429 => limits.rates.messages_per_second_max.is_some(),
            503 => scene.is_shut_down || !has_head || request.bytes.len() > GATHER_BYTES_FREE,
            _ => false,
        };
        if request.verdict != Verdict::Published || status != 200 {
            let is_due = match request.verdict {
                Verdict::Refused { status: due, .. } => due == status,
                Verdict::Published => false,
            };
            assert!(
                is_due || is_allowed,
                "publisher {number} is answered {status}: {head}"
            );
            let is_kept = status == 415 && !request.is_last;
            // An answer may have been made before the relay went down.
            assert!(keeps == is_kept || scene.is_shut_down, "{head}");
            return self.on_refused(&request, status, is_due, body);
        }
        assert!(keeps != request.is_last || scene.is_shut_down, "{head}");
        assert!(
            handed >= begin + request.bytes.len() as u64,
            "answered too early"
        );
        let said: Value = serde_json::from_slice(body).expect("JSON");
        let last = said["id"].as_str().map(|id| {
            let number = id.split_once('-').expect("an id").1;
            number.parse::<u64>().expect("a number")
        });
        if request.each_line {
            let published = request.messages.len();
            assert_eq!(said["published"], published, "publisher {number}: {said}");
        } else {
            assert!(scene.is_shut_down || said["readers"] == 1, "{said}");
        }
        let has_id = last.is_some() || scene.is_shut_down || request.messages.is_empty();
        assert!(has_id, "publisher {number}: {said}");
        let lasts = request.messages.len().saturating_sub(1);
        for (index, (_, payload)) in request.messages.into_iter().enumerate() {
            self.promises.push(Promise {
                topic: request.topic,
                payload,
                number: last.filter(|_| index == lasts),
            });
        }
    }

    /// A request was refused: of its lines, those before a bad one are published.
    fn on_refused(&mut self, request: &Request, status: u16, is_due: bool, body: &[u8]) {
        let mut published = 0;
        let said: Option<Value> = serde_json::from_slice(body).ok();
        if let Some(said) = said.filter(|_| request.each_line) {
            published = said["published"].as_u64().expect("a number") as usize;
            if let (true, Verdict::Refused { line, .. }) = (is_due, request.verdict) {
                assert_eq!(
                    (published, &said["line"]),
                    (request.messages.len(), &line.into()),
                    "{said}: {:?}",
                    String::from_utf8_lossy(&request.bytes)
                );
            }
        } else if request.each_line {
            let is_before = is_due && matches!(request.verdict, Verdict::Refused { line: 0, .. });
            let is_before = is_before || matches!(status, 401 | 503 | 408);
            assert!(is_before, "{status}: it is not told what is published");
        }
        for (index, (_, payload)) in request.messages.iter().enumerate() {
            match index < published {
                true => self.promises.push(Promise {
                    topic: request.topic,
                    payload: payload.clone(),
                    number: None,
                }),
                false => self.denied.push((request.topic, payload.clone())),
            }
        }
    }
}
