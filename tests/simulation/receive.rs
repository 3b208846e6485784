//! What the relay writes to a connection, held against what it is owed.

use crate::history::History;
use crate::peer::{News, Peer, Stage};
use crate::tap::Received;
use fanfare::relay::Limits;
use fanfare::wheel::Tick;

impl Peer {
    /// The relay wrote these bytes.
    pub(crate) fn receive(
        &mut self,
        now: Tick,
        history: &mut History,
        limits: &Limits,
        bytes: &[u8],
    ) -> Result<(), String> {
        let may_wait = self.may_wait(limits);
        let mut tap = std::mem::take(&mut self.tap);
        tap.in_message = false;
        let mut ping = false;
        tap.receive(bytes, &mut |end, received| {
            match received {
                Received::Response(status) => {
                    let owed = self.statuses.pop_front();
                    if owed != Some(status) {
                        return Err(format!("status {status}, where {owed:?} was owed"));
                    }
                    self.news.push_back((end, News::Response(status)));
                }
                Received::Body(bytes) => {
                    if let Some(body) = &mut self.body {
                        let is_right = bytes.iter().all(|&byte| byte == body.byte);
                        if !is_right || bytes.len() > body.bytes {
                            return Err(format!("{} bytes, where {body:?} is owed", bytes.len()));
                        }
                        body.bytes -= bytes.len();
                    }
                }
                Received::ResponseEnd { keep_alive } => {
                    if let Some(body) = self.body.take().filter(|body| body.bytes > 0) {
                        return Err(format!("the end, where {body:?} is owed"));
                    }
                    if self.stage != (Stage::Respond { close: !keep_alive }) {
                        return Err(format!("keep-alive: {keep_alive} in {:?}", self.stage));
                    }
                    if keep_alive {
                        self.stage = Stage::Head { served: true };
                        self.since = now;
                    }
                    self.news.push_back((end, News::ResponseEnd { keep_alive }));
                }
                Received::Message(kind, payload) => {
                    let reader = self.reader.as_mut().ok_or("a message to no member")?;
                    let lives = self.stage == Stage::Open;
                    if let Some(mark) = reader.hear(history, kind, payload, lives)? {
                        self.news.push_back((end, News::Welcome(mark)));
                    }
                }
                Received::Ping => {
                    ping = true;
                    self.news.push_back((end, News::Ping));
                }
                Received::Pong(payload) => {
                    self.receive_pong(payload, limits)?;
                }
                Received::Close(code) => {
                    self.receive_close(history, code)?;
                    self.news.push_back((end, News::Close(code)));
                }
            }
            Ok(())
        })?;
        if tap.in_message {
            self.perhaps_active = now;
            // The rest of a frame that was saved for a lapped reader does not count, nor what it is told.
            if self.lapped_in == 0 && !self.client.speaks_v1 {
                self.active = now;
            }
        }
        if ping {
            // What waited behind a full socket, or for its turn, may come late.
            let may_be_late = self.is_behind || may_wait;
            if !may_be_late && now.since(self.last_read) < limits.heartbeat_interval / 4 * 3 {
                return Err("a ping before its time".into());
            }
            self.pong_awaited = Some(now);
            // A byte of the peer may have come since the relay wanted to send it.
            self.is_pong_vague = may_be_late;
        }
        self.tap = tap;
        Ok(())
    }

    /// Every ping is answered until the bound on what waits, from then on only the latest.
    fn receive_pong(&mut self, payload: &[u8], limits: &Limits) -> Result<(), String> {
        let number = payload
            .first_chunk()
            .map(|number| u32::from_be_bytes(*number));
        let position = self.pings.iter().position(|ping| Some(ping.0) == number);
        let position = position.ok_or("a pong to no ping, or out of order")?;
        // The response to the upgrade, our own ping, and the rest of a frame may wait there too.
        let pending_max = self.pongs_pending_max + 256 + limits.rescue_bytes_max;
        if position > 0 && !self.client.speaks_v1 && pending_max < limits.outbox_bytes_max {
            return Err(format!("{position} pings were not answered"));
        }
        if payload.len() + 2 != self.pings[position].1 {
            return Err("a pong with another payload than its ping".into());
        }
        self.pings.drain(..=position);
        if self.pings.is_empty() {
            self.pongs_pending_max = 0;
        }
        Ok(())
    }

    fn receive_close(&mut self, history: &History, code: Option<u16>) -> Result<(), String> {
        self.is_close_written = true;
        let ending = self
            .ending
            .ok_or(format!("closed with {code:?} for no reason"))?;
        let is_told_of_gap = ending.may_miss && code == Some(1013);
        if ending.code != code && !is_told_of_gap {
            return Err(format!("closed with {code:?} instead of {:?}", ending.code));
        }
        let reader = self.reader.as_mut().ok_or("closed before it joined")?;
        let next = reader.next(history);
        let misses = |owed: usize| next != owed && !reader.may_have_skipped_to(history, owed);
        let may_miss = ending.may_miss && (code == Some(1013) || ending.is_peer_done);
        if ending.owed.is_some_and(misses) && !may_miss {
            return Err(format!(
                "closed at message {next}, owed up to {:?}",
                ending.owed
            ));
        }
        if reader.v1.as_ref().is_some_and(|v1| !v1.is_told()) {
            return Err("closed before it was told all".into());
        }
        if !self.pings.is_empty() {
            return Err("closed before its last ping was answered".into());
        }
        Ok(())
    }
}
