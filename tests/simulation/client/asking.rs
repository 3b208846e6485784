//! What a client asks for, and who it says that it is.

use super::{Client, Kind, Mark, State, Whim};
use crate::addresses::Introduction;
use crate::network::Socket;
use crate::request::{self, Answer};
use crate::tap::Tap;

impl Client {
    pub(super) fn ask(&mut self, socket: &mut Socket, tap: &mut Tap, world: &mut Whim) {
        self.state = State::Asked;
        if !self.introduce(socket, tap) {
            return;
        }
        let random = &mut *world.random;
        let line = match &self.introduction {
            Introduction::Forwarded(line, _) => Some(&line[..]),
            _ => None,
        };
        let request = match self.kind {
            Kind::Mute => return request::write_partial(socket.push(), random),
            Kind::Bad => request::bad(random, &world.character.limits),
            Kind::Operator => request::operator(random),
            Kind::Visitor if !random.once_in(4) => request::page(line, random),
            Kind::Member | Kind::Visitor => {
                tap.offered_bits = self.window_bits;
                let wishes = [self.wish.query(), self.since.query(random)];
                let query: Vec<String> = wishes.into_iter().flatten().collect();
                let wishes = (self.path_topic, self.echo, &query[..]);
                tap.offers_v1 = self.speaks_v1;
                request::upgrade(wishes, self.speaks_v1, self.window_bits, line, random)
            }
        };
        let start = socket.pushed();
        socket.push().extend_from_slice(&request.bytes);
        let end = start + request.judged_at as u64;
        self.marks.push_back((end, Mark::Request(request.answer)));
        tap.expect_response(request.head_only);
        self.asked += 1;
        match request.answer {
            // The next request, in the same segment.
            Answer::Page {
                keep_alive: true, ..
            } if self.eager => self.state = State::Begin,
            Answer::Upgrade if self.eager => self.state = State::Talking,
            _ => {}
        }
    }

    /// A proxy names its client; false if it should have and did not: then nothing else of it counts.
    fn introduce(&mut self, socket: &mut Socket, tap: &mut Tap) -> bool {
        match std::mem::replace(&mut self.introduction, Introduction::None) {
            Introduction::Header(bytes, client) => {
                socket.push().extend_from_slice(&bytes);
                self.mark(socket, Mark::Header(client));
            }
            Introduction::Forgotten => {
                let first_byte = socket.pushed() + 1;
                let answer = Mark::Request(Answer::Error(400));
                self.marks.push_back((first_byte, answer));
                socket
                    .push()
                    .extend_from_slice(b"GET / HTTP/1.1\r\nHost: sim\r\n\r\n");
                tap.expect_response(false);
                self.asked += 1;
                return false;
            }
            other => self.introduction = other,
        }
        true
    }
}
