//! Hooks, and the program behind them: it decides by a rule that a request names. What it is told has to be
//! what happened, each thing once and in order.

use crate::message::Message;
use crate::peer::Stage;
use crate::random::Random;
use crate::request::topic_name;
use crate::world::World;
use fanfare::http::Status;
use fanfare::proto::MessageKind;
use fanfare::proxy::PeerAddress;
use fanfare::relay::{ConnId, Decision, Hooks, MessageId, Published, TopicRequest};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a client wants of the hook: it stands in its request's query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Nothing,
    /// To join another topic than the path's.
    Topic(usize),
    /// To join one that there can't be.
    NoTopic,
    Unauthorized,
    Forbidden,
}

impl Wish {
    pub(crate) fn draw(topics: usize, random: &mut Random) -> Self {
        match random.below(6) {
            0 => Wish::NoTopic,
            1 => Wish::Unauthorized,
            2 => Wish::Forbidden,
            _ => Wish::Topic(random.below(topics)),
        }
    }

    pub(crate) fn query(self) -> Option<String> {
        match self {
            Wish::Nothing => None,
            Wish::Topic(topic) => Some(format!("to={topic}")),
            Wish::NoTopic => Some("to=".into()),
            Wish::Unauthorized => Some("no=401".into()),
            Wish::Forbidden => Some("no=403".into()),
        }
    }

    /// What it is answered with instead of 101.
    pub(crate) fn refusal(self) -> Option<u16> {
        match self {
            Wish::Nothing | Wish::Topic(_) => None,
            Wish::NoTopic => Some(400),
            Wish::Unauthorized => Some(401),
            Wish::Forbidden => Some(403),
        }
    }
}

/// What the program was told.
#[derive(Debug)]
enum Told {
    Asked(PeerAddress, String),
    Joined(ConnId, String),
    Left(ConnId, String),
    Published(ConnId, MessageId, String, MessageKind, Vec<u8>),
}

#[derive(Clone, Default)]
struct Witness(Arc<Mutex<Vec<Told>>>);

impl Witness {
    fn note(&self, told: Told) {
        let told_before = self.0.lock();
        told_before
            .unwrap_or_else(PoisonError::into_inner)
            .push(told);
    }

    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Hooks for Witness {
    fn on_request(&mut self, request: &TopicRequest<'_>) -> Decision {
        self.note(Told::Asked(request.client, request.topic.to_owned()));
        let query = request.head.query().unwrap_or_default();
        let wish = query.split('&').find_map(|part| {
            let (name, value) = part.split_once('=')?;
            ["to", "no"].contains(&name).then_some((name, value))
        });
        let refuse = |status| Decision::Refuse(status, "not you".into());
        match wish {
            None => Decision::Accept,
            Some(("to", "")) => Decision::Topic(String::new()),
            Some(("to", topic)) => Decision::Topic(topic_name(topic.parse().expect("a topic"))),
            Some((_, "401")) => refuse(Status::Unauthorized),
            Some(_) => refuse(Status::Forbidden),
        }
    }

    fn on_join(&mut self, id: ConnId, topic: &str) {
        self.note(Told::Joined(id, topic.to_owned()));
    }

    fn on_leave(&mut self, id: ConnId, topic: &str) {
        self.note(Told::Left(id, topic.to_owned()));
    }

    fn on_message(&mut self, id: ConnId, message: &Published<'_>) {
        let Published {
            id: name,
            topic,
            kind,
            payload,
        } = *message;
        self.note(Told::Published(
            id,
            name,
            topic.to_owned(),
            kind,
            payload.to_vec(),
        ));
    }
}

/// What the hooks are told, and which connections have joined by that.
#[derive(Default)]
pub(crate) struct HookModel {
    witness: Witness,
    members: HashMap<ConnId, usize>,
}

impl HookModel {
    pub(crate) fn hooks(&self) -> impl Hooks + use<> {
        self.witness.clone()
    }
}

impl World {
    /// Something was done for one connection: whatever the hooks were told is about that one. It has
    /// published its topic's last messages, this many, and asked to join if it is said so.
    pub(crate) fn follow_hooks(&mut self, index: usize, published: usize, mut asked: bool) {
        let Some(hook_model) = &self.hook_model else {
            return;
        };
        let told = hook_model.witness.take();
        let peer = &self.peers[index];
        let (topic, id) = (peer.client.topic, peer.id);
        let end = self.histories[topic].len();
        let mut next = end - published;
        for told in told {
            let told_of = match &told {
                Told::Asked(client, path_topic) => {
                    let peer = &self.peers[index];
                    assert!(
                        std::mem::take(&mut asked),
                        "client {index} is asked about: {told:?}"
                    );
                    assert_eq!(*client, peer.identity.client(), "client {index} asks");
                    assert_eq!(*path_topic, topic_name(peer.client.path_topic));
                    continue;
                }
                Told::Joined(id, ..) | Told::Left(id, ..) | Told::Published(id, ..) => *id,
            };
            assert_eq!(Some(told_of), id, "{told:?} while client {index} is read");
            if let Told::Published(_, name, topic_told, kind, payload) = told {
                assert!(next < end, "a message of client {index} is told again");
                let message: Message = self.histories[topic].message(next);
                assert_eq!(topic_told, topic_name(topic));
                assert!(message.is(kind, &payload), "told as {message:?}: {name}");
                next += 1;
                self.follow_number(topic, name, next);
            } else {
                self.follow_membership(told);
            }
        }
        assert!(!asked, "no hook was asked about client {index}");
        assert_eq!(next, end, "messages of client {index} were not told");
    }

    /// Something was done to many connections: those that it ended have left.
    pub(crate) fn follow_leaves(&mut self) {
        let Some(hook_model) = &self.hook_model else {
            return;
        };
        for told in hook_model.witness.take() {
            assert!(matches!(told, Told::Left(..)), "{told:?} out of the blue");
            self.follow_membership(told);
        }
    }

    fn follow_membership(&mut self, told: Told) {
        let hook_model = self.hook_model.as_mut().expect("there are hooks");
        let (is_join, id, name) = match &told {
            Told::Joined(id, name) => (true, *id, name),
            Told::Left(id, name) => (false, *id, name),
            told => panic!("{told:?} is no coming or going"),
        };
        let topic = self.peers[self.by_id[&id]].client.topic;
        assert_eq!(*name, topic_name(topic), "{told:?}");
        let before = match is_join {
            true => hook_model.members.insert(id, topic),
            false => hook_model.members.remove(&id),
        };
        assert_eq!(before, (!is_join).then_some(topic), "{told:?}");
    }

    /// Each member has joined and not left, and no other connection has.
    pub(crate) fn check_membership(&self) {
        let Some(hook_model) = &self.hook_model else {
            return;
        };
        for (id, &index) in &self.by_id {
            let peer = &self.peers[index];
            let has_joined = hook_model.members.contains_key(id);
            let is_told = match peer.stage {
                Stage::Open => has_joined,
                Stage::Closing => !(has_joined && peer.is_close_written),
                _ => !has_joined,
            };
            assert!(is_told, "client {index} in {:?}: {has_joined}", peer.stage);
        }
        let is_there = |id| self.by_id.contains_key(id);
        assert!(
            hook_model.members.keys().all(is_there),
            "a connection that is gone has left"
        );
    }
}
