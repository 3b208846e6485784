//! What holds for one topic: rules by its name, of which the first that matches counts.
//!
//! It knows names and what follows from them, and no topic that exists. A topic's name is looked up when the
//! topic begins, and when the rules change; what stands with the topic is the index of its [`Policy`].

use crate::http::check_topic;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// What becomes of a reader that lags by more than its topic retains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowPolicy {
    /// It is closed with 1013 at the next frame boundary: it knows that it missed something.
    #[default]
    Close,
    /// It goes on at the live end; what it missed is counted.
    Skip,
}

/// Which publishers may publish into a topic. The embedding program always may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publish {
    /// Its members, and publishers over HTTP.
    #[default]
    Anybody,
    /// Publishers over HTTP, and no WebSocket.
    Http,
    /// None.
    Nobody,
}

/// How long a message stays readable for readers that come after it: until the first of these bounds is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Its age, in ticks of 100 ms, at least 1. A topic's name and numbers live as long after its last message
    /// or member, whichever is later.
    pub time: u32,
    /// Messages of the topic, at least 1; `u64::MAX` is any number.
    pub messages_max: u64,
    /// Their bytes in the plain log, at most half of
    /// [`topic_log_bytes_max`](super::Limits::topic_log_bytes_max).
    pub bytes_max: usize,
}

/// What holds for one topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether its messages stay readable, and how long.
    pub retention: Option<Retention>,
    /// What becomes of its lapped readers.
    pub slow_policy: SlowPolicy,
    /// Which publishers may publish into it.
    pub publish: Publish,
}

impl Policy {
    /// What holds where nothing is said.
    pub const DEFAULT: Policy = Policy {
        retention: None,
        slow_policy: SlowPolicy::Close,
        publish: Publish::Anybody,
    };
}

/// Which topics a rule is for. As text, a topic's name, or the beginning of names and a `*`: so of names with a
/// `*`, a rule can be for the beginnings only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The topic of that name.
    Exact(Box<str>),
    /// All whose names begin so.
    Prefix(Box<str>),
}

impl Pattern {
    /// Whether it is for the topic of that name.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        match self {
            Pattern::Exact(name) => **name == *topic,
            Pattern::Prefix(beginning) => topic.starts_with(&**beginning),
        }
    }

    /// Whether it is for every topic that the other one is for.
    #[must_use]
    pub fn covers(&self, other: &Pattern) -> bool {
        match other {
            Pattern::Exact(name) => self.matches(name),
            Pattern::Prefix(beginning) => {
                matches!(self, Pattern::Prefix(_)) && self.matches(beginning)
            }
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected a topic's name, or how names begin and a `*`, such as chat.*";
        let (name, is_prefix) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        if name.contains('*') {
            return Err(format!("{expected}, which stands at the end only"));
        }
        match (name, is_prefix) {
            ("", true) => Ok(Pattern::Prefix(name.into())),
            ("", false) => Err(expected.into()),
            _ => match check_topic(name) {
                Ok(()) if is_prefix => Ok(Pattern::Prefix(name.into())),
                Ok(()) => Ok(Pattern::Exact(name.into())),
                Err(why) => Err(format!("{expected} ({why})")),
            },
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Exact(name) => f.write_str(name),
            Pattern::Prefix(beginning) => write!(f, "{beginning}*"),
        }
    }
}

/// The policies of all topics. The default has no rules, and the default policy for all.
#[derive(Clone, Debug)]
pub struct Policies {
    /// That of topics that meet no rule, then those of the rules in their order.
    policies: Box<[Policy]>,
    /// Of each name, the index of its first rule.
    exact: HashMap<Box<str>, u16>,
    /// Beginnings of names, in the order of the rules, with their indexes.
    prefixes: Box<[(Box<str>, u16)]>,
}

impl Policies {
    /// Rules that there may be: a topic that begins is compared with each that ends in `*`, which takes some
    /// microseconds for as many.
    pub const RULES_MAX: usize = 1024;

    /// The index of what holds for topics that meet no rule.
    pub const DEFAULT: u16 = 0;

    /// `default` holds for topics that meet none of the rules.
    ///
    /// # Panics
    ///
    /// If there are more rules than [`RULES_MAX`](Self::RULES_MAX).
    #[must_use]
    pub fn new(default: Policy, rules: impl IntoIterator<Item = (Pattern, Policy)>) -> Self {
        let mut policies = vec![default];
        let mut exact = HashMap::new();
        let mut prefixes = Vec::new();
        for (index, (pattern, policy)) in (1..).zip(rules) {
            assert!(usize::from(index) <= Self::RULES_MAX, "too many rules");
            policies.push(policy);
            match pattern {
                Pattern::Exact(name) => {
                    exact.entry(name).or_insert(index);
                }
                Pattern::Prefix(beginning) => prefixes.push((beginning, index)),
            }
        }
        Policies {
            policies: policies.into(),
            exact,
            prefixes: prefixes.into(),
        }
    }

    /// What holds for a topic.
    #[must_use]
    pub fn of(&self, topic: &str) -> &Policy {
        self.get(self.index_of(topic))
    }

    /// The index of what holds for a topic: to be asked for again when the policies change.
    #[must_use]
    pub fn index_of(&self, topic: &str) -> u16 {
        let exact = self.exact.get(topic).copied();
        let before = exact.unwrap_or(u16::MAX);
        let mut earlier = self
            .prefixes
            .iter()
            .take_while(|&&(_, index)| index < before);
        let prefix = earlier.find(|(beginning, _)| topic.starts_with(&**beginning));
        prefix
            .map(|&(_, index)| index)
            .or(exact)
            .unwrap_or(Self::DEFAULT)
    }

    /// What holds for topics that meet no rule.
    #[must_use]
    pub fn everywhere(&self) -> &Policy {
        self.get(Self::DEFAULT)
    }

    /// Those of all rules.
    #[must_use]
    pub fn all(&self) -> &[Policy] {
        &self.policies
    }

    /// What an index that is one of these policies' stands for.
    #[must_use]
    pub fn get(&self, index: u16) -> &Policy {
        &self.policies[usize::from(index)]
    }
}

impl Default for Policies {
    fn default() -> Self {
        Policy::default().into()
    }
}

/// The same for all topics.
impl From<Policy> for Policies {
    fn from(policy: Policy) -> Self {
        Policies::new(policy, [])
    }
}

/// The same for all topics, and nothing else that is not the default.
impl From<SlowPolicy> for Policies {
    fn from(slow_policy: SlowPolicy) -> Self {
        let policy = Policy {
            slow_policy,
            ..Policy::default()
        };
        policy.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().expect(text)
    }

    /// Policies that can be told apart.
    fn policy(number: usize) -> Policy {
        let retention = Retention {
            time: 1,
            messages_max: 1,
            bytes_max: number,
        };
        Policy {
            retention: Some(retention),
            ..Policy::default()
        }
    }

    fn policies(patterns: &[&str]) -> Policies {
        let rules = patterns.iter().enumerate();
        let rules = rules.map(|(index, text)| (pattern(text), policy(index + 1)));
        Policies::new(policy(0), rules)
    }

    #[test]
    fn patterns_are_written_as_they_are_read() {
        for text in ["chat", "chat.*", "*", "chat.ü", "a b*"] {
            assert_eq!(pattern(text).to_string(), text);
        }
        assert_eq!(pattern("*"), Pattern::Prefix("".into()));
        assert_eq!(pattern("a"), Pattern::Exact("a".into()));
        let longest = "x".repeat(128);
        assert_eq!(pattern(&longest), Pattern::Exact(longest.as_str().into()));
        assert!(pattern(&format!("{longest}*")).matches(&longest));
    }

    #[test]
    fn what_is_no_pattern() {
        for text in ["a*b", "*.chat", "a**", "**"] {
            let error = text.parse::<Pattern>().unwrap_err();
            assert!(error.ends_with("at the end only"), "{text}: {error}");
        }
        let long = "x".repeat(129);
        for (text, why) in [
            ("", "such as chat.*"),
            (&long, "(A topic's name has 1 to 128 bytes.)"),
            ("/ws/chat", "no `/` and no control characters.)"),
            ("chat/*", "no `/` and no control characters.)"),
            ("chat\n", "no `/` and no control characters.)"),
        ] {
            let error = text.parse::<Pattern>().unwrap_err();
            assert!(error.contains("such as chat.*"), "{error}");
            assert!(error.ends_with(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_pattern_covers_another_if_it_matches_all_that_it_does() {
        for (one, other) in [
            ("a", "a"),
            ("a*", "a"),
            ("a*", "ab"),
            ("a*", "ab*"),
            ("*", "*"),
        ] {
            assert!(pattern(one).covers(&pattern(other)), "{one} {other}");
        }
        for (one, other) in [
            ("a", "a*"),
            ("a", "b"),
            ("ab*", "a"),
            ("ab*", "a*"),
            ("a", "*"),
        ] {
            assert!(!pattern(one).covers(&pattern(other)), "{one} {other}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let policies = policies(&["chat.1", "chat.*", "chat.2", "news", "n*", "news"]);
        for (topic, rule) in [
            ("chat.1", 1),
            ("chat.2", 2),
            ("chat.", 2),
            ("news", 4),
            ("new", 5),
            ("chat", 0),
            ("", 0),
        ] {
            assert_eq!(policies.index_of(topic), rule, "{topic}");
            assert_eq!(*policies.of(topic), policy(rule.into()), "{topic}");
        }
        assert_eq!(Policies::default().index_of("chat"), Policies::DEFAULT);
        assert_eq!(*Policies::default().of("chat"), Policy::default());
    }

    #[test]
    fn there_may_be_as_many_rules_as_it_says() {
        let rule = |_| (pattern("a*"), policy(1));
        let all = Policies::new(policy(0), (0..Policies::RULES_MAX).map(rule));
        assert_eq!(all.index_of("a"), 1);
        let more = || Policies::new(policy(0), (0..=Policies::RULES_MAX).map(rule));
        assert!(std::panic::catch_unwind(more).is_err());
    }

    proptest! {
        /// A lookup finds what looking at each rule in turn would.
        #[test]
        fn as_rules_in_a_list(
            patterns in prop::collection::vec("[ab]{0,3}\\*|[ab]{1,3}", 0..8),
            topics in prop::collection::vec("[ab]{1,3}", 1..8),
        ) {
            let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
            let policies = policies(&patterns);
            for topic in &topics {
                let mut rules = patterns.iter().map(|text| pattern(text));
                let first = rules.position(|rule| rule.matches(topic));
                let expected = first.map_or(0, |index| index + 1);
                prop_assert_eq!(usize::from(policies.index_of(topic)), expected);
            }
        }

        /// So a rule behind one that covers it is never met.
        #[test]
        fn a_covered_pattern_matches_nothing_else(
            one in "[ab]{0,2}\\*|[ab]{1,2}",
            other in "[ab]{0,2}\\*|[ab]{1,2}",
            topic in "[ab]{1,3}",
        ) {
            let (one, other) = (pattern(&one), pattern(&other));
            if one.covers(&other) && other.matches(&topic) {
                prop_assert!(one.matches(&topic));
            }
        }
    }
}
