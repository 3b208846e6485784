//! What a reader that speaks `fanfare.v1` is told, held against what it is owed: it counts, and takes gaps and
//! acknowledgements.

use crate::history::History;
use crate::reader::Reader;
use crate::retained::Since;
use fanfare::proto::MessageKind;
use fanfare::relay::MessageId;
use serde_json::Value;
use std::collections::VecDeque;

pub(crate) type Mark = [u8; 17];

/// A number that no topic of a world comes to.
pub(crate) const FUTURE: u64 = 1 << 40;

/// What a reader has been told, and is to be.
#[derive(Default)]
pub(crate) struct V1 {
    asked: Option<MessageId>,
    mark: Option<Mark>,
    /// The message that it had last, or was told that it misses.
    pub(crate) last: Option<MessageId>,
    /// A gap is to come before its first message: behind this number, or one of which that is not known.
    due: Option<Option<u64>>,
    answers: VecDeque<Answer>,
}

/// What a command is answered with.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It has become that message of the history.
    Published { reference: u64, index: usize },
    Error {
        code: &'static str,
        reference: Option<u64>,
        /// There was memory for the command, which was to be gathered.
        is_sure: bool,
    },
}

impl Answer {
    fn is_sure(&self) -> bool {
        !matches!(self, Answer::Error { is_sure: false, .. })
    }
}

impl V1 {
    pub(crate) fn new(since: Since) -> Self {
        V1 {
            asked: match since {
                Since::After(id) => Some(id),
                _ => None,
            },
            ..V1::default()
        }
    }

    pub(crate) fn owe(&mut self, answer: Answer) {
        self.answers.push_back(answer);
    }

    /// It has been told all that it is to be told.
    pub(crate) fn is_told(&self) -> bool {
        self.mark.is_some() && self.due.is_none() && !self.answers.iter().any(Answer::is_sure)
    }
}

/// The id in what the relay says.
fn id_of(said: &Value) -> Result<MessageId, String> {
    let id = said["id"].as_str().and_then(|id| id.parse().ok());
    id.ok_or(format!("no id in {said}"))
}

impl Reader {
    /// It was sent a message, or told something: a mark, if that was the first. `lives`: it stays a member.
    pub(crate) fn hear(
        &mut self,
        history: &mut History,
        kind: MessageKind,
        payload: &[u8],
        lives: bool,
    ) -> Result<Option<Mark>, String> {
        let Some(mut v1) = self.v1.take() else {
            return self.receive(history, kind, payload).map(|()| None);
        };
        let mut news = None;
        let heard = match v1.mark {
            None => self
                .hear_welcome(&mut v1, history, payload, lives)
                .map(|mark| news = Some(mark)),
            Some(mark) => match payload.strip_prefix(&mark) {
                Some(said) if kind == MessageKind::Text => {
                    let said = serde_json::from_slice(said);
                    said.map_err(|error| error.to_string())
                        .and_then(|said| self.hear_said(&mut v1, history, &said, lives))
                }
                _ => self.hear_message(&mut v1, history, (kind, payload), lives),
            },
        };
        self.v1 = Some(v1);
        heard.map(|()| news)
    }

    fn hear_welcome(
        &mut self,
        v1: &mut V1,
        history: &mut History,
        payload: &[u8],
        lives: bool,
    ) -> Result<Mark, String> {
        let said: Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        let mark = said["mark"]
            .as_str()
            .and_then(|mark| mark.as_bytes().try_into().ok());
        let mark: Mark = mark.ok_or(format!("no mark in {said}"))?;
        let id = id_of(&said)?;
        let (low, high) = self.begins();
        match history.retained.place(id) {
            Some(index) if !(low..=high).contains(&index) => {
                return Err(format!(
                    "it begins after {id}: at {index}, not in {low}..={high}"
                ));
            }
            Some(index) => self.begin_at(index),
            None => {}
        }
        if let (low, high) = self.begins()
            && low == high
        {
            history.retained.learn(id, high, lives)?;
            let tail: Option<MessageId> = said["tail"].as_str().and_then(|tail| tail.parse().ok());
            let expected = id.number + self.messages_of_before() as u64;
            if tail.is_none_or(|tail| tail.epoch != id.epoch || tail.number != expected) {
                return Err(format!("{said}, where {expected} was the last"));
            }
        }
        v1.due = match v1.asked {
            None => None,
            Some(asked) if asked.epoch != id.epoch || asked.number >= FUTURE => Some(None),
            Some(asked) if asked.number > id.number => {
                return Err(format!("it asked for {asked}, and begins after {id}"));
            }
            Some(asked) => (asked.number < id.number).then_some(Some(asked.number)),
        };
        (v1.mark, v1.last) = (Some(mark), Some(id));
        Ok(mark)
    }

    fn hear_message(
        &mut self,
        v1: &mut V1,
        history: &mut History,
        (kind, payload): (MessageKind, &[u8]),
        lives: bool,
    ) -> Result<(), String> {
        if v1.due.is_some() {
            return Err("a message, and the gap before it was not told".into());
        }
        let skips = self.skips;
        self.receive(history, kind, payload)?;
        if self.skips != skips {
            return Err("a gap that was not told".into());
        }
        let last = v1.last.as_mut().ok_or("a message before the welcome")?;
        last.number += 1;
        let next = self.next(history);
        let is_this = |answer: &Answer| matches!(answer, Answer::Published { index, .. } if index + 1 == next);
        if v1.answers.iter().any(is_this) {
            return Err(format!("{last}, before its acknowledgement"));
        }
        history.retained.learn(*last, next, lives)
    }

    fn hear_said(
        &mut self,
        v1: &mut V1,
        history: &mut History,
        said: &Value,
        lives: bool,
    ) -> Result<(), String> {
        if let Some(missed) = said.get("gap") {
            return self.hear_gap(v1, history, missed, id_of(said)?, lives);
        }
        let reference_told = said.get("ref").and_then(Value::as_u64);
        let is_this = |answer: &Answer| match *answer {
            Answer::Published { .. } => true,
            Answer::Error { is_sure, .. } => is_sure || said["error"].is_string(),
        };
        while v1.answers.front().is_some_and(|answer| !is_this(answer)) {
            v1.answers.pop_front();
        }
        match v1.answers.pop_front() {
            Some(Answer::Published { reference, index }) if reference_told == Some(reference) => {
                history.retained.learn(id_of(said)?, index + 1, lives)
            }
            Some(Answer::Error {
                code, reference, ..
            }) if reference_told == reference && said["error"] == code => Ok(()),
            owed => Err(format!("{said}, where {owed:?} was owed")),
        }
    }

    fn hear_gap(
        &mut self,
        v1: &mut V1,
        history: &mut History,
        missed: &Value,
        id: MessageId,
        lives: bool,
    ) -> Result<(), String> {
        let last = v1.last.ok_or("a gap before the welcome")?;
        let ahead = id.number.checked_sub(last.number);
        let ahead = ahead.filter(|_| id.epoch == last.epoch);
        let ahead = ahead.ok_or(format!("a gap up to {id}, after {last}"))?;
        let expected = match v1.due.take() {
            Some(Some(asked)) => Some(id.number - asked),
            Some(None) => None,
            None => Some(ahead),
        };
        if missed.as_u64() != expected || missed.is_null() != expected.is_none() {
            return Err(format!(
                "a gap of {missed} up to {id}, where {expected:?} are missing"
            ));
        }
        if expected == Some(0) {
            return Err("a gap of nothing".into());
        }
        if ahead > 0 {
            self.skip(history, ahead as usize, history.retained.place(id))?;
            history.retained.learn(id, self.next(history), lives)?;
        }
        v1.last = Some(id);
        Ok(())
    }
}
