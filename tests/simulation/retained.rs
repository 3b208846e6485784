//! What a topic offers of its messages to readers that come, as far as that can be known from outside: which are
//! offered for certain, and which for certain are not any more. And whether it has lived on since, so that its
//! numbers go on.

use crate::random::Random;
use crate::v1::FUTURE;
use fanfare::relay::{Epoch, MessageId, Retention};
use fanfare::wheel::Tick;
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// When messages came is told apart by the second, in worlds that are as short.
const NOTE_TICKS: u32 = 10;
/// What a segment's lists take for a message, and a segment without.
const LISTED_BYTES: u64 = 48;
const LISTS_BYTES: u64 = 512;

/// Where a reader asks to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    Nothing,
    None,
    All,
    Age(u32),
    Last(u64),
    After(MessageId),
}

impl Since {
    /// What a client asks that may know one of these ids.
    pub(crate) fn draw(ids: &[MessageId], random: &mut Random) -> Self {
        let seen = |random: &mut Random| {
            let recent = &ids[ids.len().saturating_sub(20)..];
            (!recent.is_empty()).then(|| random.pick(recent))
        };
        let stranger = "zzzzzzz-7".parse().expect("an id");
        match random.below(10) {
            0 => Since::None,
            1 | 2 => Since::All,
            3 => Since::Age(random.pick(&[1, 5, 30, 300, 10_000])),
            4 => Since::Last(random.pick(&[0, 1, 3, 20, u64::MAX])),
            5 => Since::After(stranger),
            6 => seen(random).map_or(Since::All, |id| {
                let number = random.pick(&[0, id.number / 2, id.number + FUTURE]);
                Since::After(MessageId { number, ..id })
            }),
            _ => seen(random).map_or(Since::All, Since::After),
        }
    }

    /// As it stands in a request's query.
    pub(crate) fn query(self, random: &mut Random) -> Option<String> {
        Some(match self {
            Since::Nothing => return None,
            Since::None => "since=none".into(),
            Since::All => "since=all".into(),
            Since::Age(ticks) => format!("since={}ms", u64::from(ticks) * 100),
            Since::Last(1) => "since=last".into(),
            Since::Last(count) => format!("since=last-{count}"),
            Since::After(id) if random.once_in(2) => format!("since=all&last_event_id={id}"),
            Since::After(id) => format!("since={id}"),
        })
    }
}

/// See the [module](self). Messages are counted as the topic's history counts them.
#[derive(Default)]
pub(crate) struct Retained {
    /// When each came, and where it ends in a log of all of them.
    came: Vec<Tick>,
    ends: Vec<u64>,
    bounds: Option<Retention>,
    /// Memory that a log's first and last segment may take for nothing.
    segments_bytes: u64,
    /// Those before are offered by no means, and those from there on if their age, number and bytes allow.
    possible_from: usize,
    certain_from: usize,
    /// When it last had a member, or a message, for certain.
    quiet_since: Tick,
    /// It may have ended since, at the earliest when so many messages had come.
    over_from: Option<usize>,
    /// It had to make way, and ends as soon as the walk has been there, unless it has a member until then.
    pub(crate) may_be_ending: bool,
    /// How many messages had come when each life of it began, as far as that is known; and which is the last.
    begun: HashMap<Epoch, usize>,
    present: Option<Epoch>,
}

impl Retained {
    fn len(&self) -> usize {
        self.came.len()
    }

    /// A message has come.
    pub(crate) fn push(&mut self, now: Tick, payload_bytes: usize) {
        let header_bytes = match payload_bytes {
            0..=125 => 2,
            126..=0xFFFF => 4,
            _ => 10,
        };
        let end = self.ends.last().copied().unwrap_or(0);
        self.came.push(now);
        self.ends.push(end + header_bytes + payload_bytes as u64);
        self.quiet_since = now;
    }

    /// Time has passed, or something is about to change: so it was, until now.
    pub(crate) fn follow(&mut self, now: Tick, has_member: bool, has_work: bool) {
        let is_over = |bounds: Retention| now.since(self.quiet_since) >= bounds.time;
        if !has_member && (self.bounds.is_none_or(is_over) || self.may_be_ending) {
            self.end();
        }
        self.may_be_ending &= !has_member && has_work;
        if has_member {
            self.quiet_since = now;
        }
    }

    /// It may end here.
    fn end(&mut self) {
        self.over_from.get_or_insert(self.came.len());
        self.certain_from = self.came.len();
    }

    /// Memory, or a place, is short: it may have forgotten its messages, and ended if it had no member.
    pub(crate) fn yield_place(&mut self, has_member: bool) {
        self.certain_from = self.len();
        if !has_member {
            self.end();
            self.may_be_ending = true;
        }
    }

    /// Other bounds are in force.
    pub(crate) fn set_bounds(
        &mut self,
        now: Tick,
        bounds: Option<Retention>,
        segment_bytes_max: usize,
    ) {
        self.segments_bytes = self.segments_bytes.max(segment_bytes_max as u64);
        if self.bounds.is_none() && bounds.is_some() {
            self.possible_from = self.len();
        }
        self.certain_from = self.oldest(now, u32::MAX)[1];
        self.bounds = bounds;
    }

    /// The oldest message of such an age that is offered: none before the first of these, and all from the second on.
    fn oldest(&self, now: Tick, age_max: u32) -> [usize; 2] {
        let Some(bounds) = self.bounds else {
            return [self.len(); 2];
        };
        let time = bounds.time.min(age_max);
        let by_count = (self.len() as u64).saturating_sub(bounds.messages_max) as usize;
        let by_time = [time.saturating_add(NOTE_TICKS - 1), time].map(|age_max| {
            let is_older = |&came: &Tick| now.since(came) > age_max;
            self.came.partition_point(is_older)
        });
        let bytes_max = bounds.bytes_max as u64;
        let tail = self.ends.last().copied().unwrap_or(0);
        let starts = |index: usize| match index {
            0 => 0,
            index => self.ends[index - 1],
        };
        let first = |is_too_much: &dyn Fn(u64, u64) -> bool| {
            let range: Vec<usize> = (self.possible_from..self.len()).collect();
            let is_before =
                |&index: &usize| is_too_much(tail - starts(index), (self.len() - index) as u64);
            self.possible_from + range.partition_point(is_before)
        };
        let by_bytes = [
            first(&|bytes, _| bytes > bytes_max),
            first(&|bytes, messages| {
                let lists_bytes = LISTS_BYTES + messages * LISTED_BYTES / 2;
                bytes + bytes / 4 + self.segments_bytes + lists_bytes > bytes_max
            }),
        ];
        [
            by_count
                .max(by_time[0])
                .max(by_bytes[0])
                .max(self.possible_from),
            by_count
                .max(by_time[1])
                .max(by_bytes[1])
                .max(self.certain_from),
        ]
    }

    /// With which message a reader begins that joins now and asks so.
    pub(crate) fn begins(&self, since: Since, now: Tick) -> RangeInclusive<usize> {
        let len = self.len();
        let [low, high] = self.oldest(now, u32::MAX);
        let from = |wanted: usize| wanted.max(low)..=wanted.max(high);
        match since {
            Since::Nothing | Since::None => len..=len,
            Since::All => low..=high,
            Since::Age(ticks) => {
                let [young_low, young_high] = self.oldest(now, ticks);
                young_low.max(low)..=young_high.max(high)
            }
            Since::Last(count) => from((len as u64).saturating_sub(count) as usize),
            Since::After(id) => match self.index_after(id) {
                None => low..=high,
                Some(index) if self.over_from.is_none() => from(index),
                Some(index) => low..=index.max(high),
            },
        }
    }

    /// The message after that one, of whatever life.
    pub(crate) fn place(&self, id: MessageId) -> Option<usize> {
        let begun = *self.begun.get(&id.epoch)?;
        begun.checked_add(usize::try_from(id.number).ok()?)
    }

    /// The message after that one, if it is of the life that was seen last.
    pub(crate) fn index_after(&self, id: MessageId) -> Option<usize> {
        let is_present = self.present == Some(id.epoch);
        let index = self.place(id)?;
        (is_present && index <= self.len()).then_some(index)
    }

    /// The relay says that this is the id of the last of so many messages; `lives`: a member that stays was told so.
    pub(crate) fn learn(
        &mut self,
        id: MessageId,
        messages: usize,
        lives: bool,
    ) -> Result<(), String> {
        let begins = usize::try_from(id.number).ok();
        let begins = begins.and_then(|number| messages.checked_sub(number));
        let begins = begins.ok_or(format!("{id} of {messages} messages"))?;
        if let Some(&begun) = self.begun.get(&id.epoch) {
            if begun != begins {
                return Err(format!("{id}, where {} was due", messages - begun));
            }
            if lives && self.present != Some(id.epoch) {
                return Err(format!("{id} is of an epoch that was over"));
            }
        } else {
            let over_from = match self.present {
                Some(_) => self.over_from,
                None => Some(0),
            };
            if over_from.is_none_or(|over_from| begins < over_from) {
                let (quiet_since, bounds) = (self.quiet_since, self.bounds);
                return Err(format!(
                    "{id} is of another epoch, before which {begins} came: over from {over_from:?}, \
                     quiet since {quiet_since:?}, {bounds:?}"
                ));
            }
            self.begun.insert(id.epoch, begins);
            self.present = Some(id.epoch);
            self.possible_from = self.possible_from.max(begins);
        }
        if lives {
            self.over_from = None;
        }
        Ok(())
    }
}
