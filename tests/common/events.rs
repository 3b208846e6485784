//! A reader of server-sent events, as HTML §9.2.6 has it: written down once more, apart from what the relay writes.

use super::{Client, Relay, Response, request};

/// A stream of events that is read.
pub(crate) struct Events {
    client: Client,
    pub(crate) head: Response,
    /// Where an `EventSource` would go on.
    pub(crate) last_id: String,
    /// After how many milliseconds.
    pub(crate) retry: Option<u64>,
    pub(crate) comments: usize,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: String,
}

impl Events {
    /// Asks for a stream, with these lines more. It is answered with 200.
    pub(crate) fn open(relay: &Relay, path: &str, lines: &[&str]) -> Events {
        Events::open_by(Client::connect(relay), path, lines)
    }

    pub(crate) fn open_by(mut client: Client, path: &str, lines: &[&str]) -> Events {
        let lines = [&["Host: localhost", "Accept: text/event-stream"], lines].concat();
        client.send(&request(&format!("GET {path} HTTP/1.1"), &lines));
        let events = Events::of(client);
        assert_eq!(events.head.status, 200, "{}", events.head.head);
        events
    }

    /// What answers a request that was sent.
    pub(crate) fn of(mut client: Client) -> Events {
        Events {
            head: client.response_to_head(),
            client,
            last_id: String::new(),
            retry: None,
            comments: 0,
        }
    }

    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Reads up to where the stream says where it begins.
    pub(crate) fn begun(mut self) -> Events {
        assert_eq!(self.block(), None);
        assert!(self.retry.is_some() && !self.last_id.is_empty());
        self
    }

    /// The next event.
    pub(crate) fn event(&mut self) -> Event {
        loop {
            if let Some(event) = self.block() {
                return event;
            }
        }
    }

    /// The next event is a message of this text.
    pub(crate) fn expect(&mut self, data: &str) {
        let event = self.event();
        assert_eq!((&*event.name, &*event.data), ("message", data));
        assert_eq!(event.id, self.last_id);
    }

    /// The next events are messages of these texts.
    pub(crate) fn expect_all(&mut self, texts: &[&str]) {
        texts.iter().for_each(|data| self.expect(data));
    }

    /// All events until the end.
    pub(crate) fn rest(mut self) -> Vec<Event> {
        let bytes = self.client.rest();
        let mut lines = Lines(&bytes);
        let mut events = Vec::new();
        let mut block = Block::default();
        while let Some(line) = lines.next() {
            if let Some(event) = self.take_line(&line, &mut block) {
                events.push(event);
            }
        }
        assert_eq!(block.data, "", "an event that is cut off");
        events
    }

    /// What comes up to the next empty line, if it is an event.
    fn block(&mut self) -> Option<Event> {
        let mut block = Block::default();
        loop {
            let mut line = Vec::new();
            // The relay ends lines with LF alone, so that it is known where one ends.
            loop {
                match self.client.read_bytes(1)[0] {
                    b'\n' => break,
                    b'\r' => panic!("a CR"),
                    byte => line.push(byte),
                }
            }
            let is_end = line.is_empty();
            let line = String::from_utf8(line).expect("UTF-8");
            let event = self.take_line(&line, &mut block);
            if is_end {
                return event;
            }
        }
    }

    fn take_line(&mut self, line: &str, block: &mut Block) -> Option<Event> {
        if line.is_empty() {
            let mut block = std::mem::take(block);
            if let Some(id) = block.id {
                self.last_id = id;
            }
            if block.data.is_empty() {
                return None;
            }
            block.data.pop();
            return Some(Event {
                id: self.last_id.clone(),
                name: block.name.unwrap_or("message".to_owned()),
                data: block.data,
            });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => self.comments += 1,
            "id" => block.id = Some(value.to_owned()),
            "event" => block.name = Some(value.to_owned()),
            "data" => {
                block.data += value;
                block.data += "\n";
            }
            "retry" => self.retry = Some(value.parse().expect("a number")),
            _ => panic!("an unknown field: {line:?}"),
        }
        None
    }
}

/// What has come of an event.
#[derive(Default)]
struct Block {
    id: Option<String>,
    name: Option<String>,
    data: String,
}

/// Lines that have come whole.
struct Lines<'a>(&'a [u8]);

impl Lines<'_> {
    fn next(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| b"\r\n".contains(byte))?;
        let line = String::from_utf8(self.0[..end].to_vec()).expect("UTF-8");
        let is_crlf = self.0[end..].starts_with(b"\r\n");
        self.0 = &self.0[end + if is_crlf { 2 } else { 1 }..];
        Some(line)
    }
}
