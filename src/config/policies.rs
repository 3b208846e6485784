//! What settings mean for each topic: its policy, unless they contradict each other.
//!
//! A rule is looked at as the settings are that its topics have: those for all, with what the rule names in
//! their place. So what is checked, and how a value is cited, is the same for both.

use super::rule::TopicRule;
use super::settings::{self, Config, SETTINGS};
use super::source::Source;
use crate::relay::{Policies, Policy, Retention};
use crate::sys::clock::ticks;
use std::time::Duration;

/// A message can't be retained for longer, whatever is set: 30 days. What is retained ends with the process; to
/// keep it for longer is a database's work. It is far less than the 13 years that ticks of 100 ms can count.
const RETAIN_LIMIT: Duration = Duration::from_secs(30 * 24 * 3600);

/// At most a part of a topic's log as large as this is for what it retains: the rest is for readers that lag.
const LOG_PER_RETAINED: u64 = 2;

/// The settings that bound what is retained, and do nothing while nothing is.
const BOUNDS: [&str; 2] = ["retain_messages", "retain_bytes_max"];

impl TopicRule {
    /// The same, and that setting differs, too. The value is text as on the command line.
    ///
    /// ```
    /// use fanfare::config::{Config, TopicRule};
    ///
    /// let chats = TopicRule::new("chat.*".parse()?).with("retain", "10m")?;
    /// let mut config = Config::default();
    /// config.topics = vec![chats];
    /// # Ok::<(), String>(())
    /// ```
    pub fn with(mut self, name: &str, value: &str) -> Result<Self, String> {
        let index = settings::find(name).filter(|&index| SETTINGS[index].is_per_topic);
        let index = index.ok_or_else(|| format!("{name} is no setting that differs by topic"))?;
        let values = SETTINGS[index].values_of(value);
        let values = values.map_err(|why| format!("{name}: {why}"))?;
        self.differing.insert(index, (values, Source::Default));
        Ok(self)
    }

    /// The settings that its topics have, in place of those for all.
    pub(super) fn over(&self, everywhere: &Config) -> Config {
        let mut config = everywhere.clone();
        for (&index, (values, source)) in &self.differing {
            (SETTINGS[index].assign)(&mut config, values).expect("its values were checked");
            config.sources[index] = source.clone();
        }
        config
    }

    fn names(&self, name: &str) -> bool {
        settings::find(name).is_some_and(|index| self.differing.contains_key(&index))
    }
}

impl Config {
    /// The settings for topics that no rule is for.
    pub(super) fn everywhere(&self) -> Config {
        let mut config = self.clone();
        config.topics.clear();
        config
    }

    /// What holds for each topic, or all that is wrong with it.
    pub(super) fn policies(&self) -> Result<Policies, Vec<String>> {
        if let Some(excess) = self.topics.get(Policies::RULES_MAX) {
            let max = Policies::RULES_MAX;
            let why = format!("is one [[topic]] too many: there may be {max}");
            return Err(vec![format!("{} {why}", excess.cite())]);
        }
        let everywhere = self.everywhere();
        let rules = self.topics.iter();
        let rules: Vec<_> = rules.map(|rule| (rule, rule.over(&everywhere))).collect();
        let mut problems = everywhere.retention_problems();
        for name in BOUNDS {
            let is_used =
                |(rule, scope): &(&TopicRule, Config)| scope.retain.is_some() && !rule.names(name);
            let idle = everywhere.idle_bound(name);
            problems.extend(idle.filter(|_| !rules.iter().any(is_used)));
        }
        let problems_of_all = problems.len();
        for (rule, scope) in &rules {
            let mut own = scope.retention_problems();
            let named = BOUNDS.into_iter().filter(|name| rule.names(name));
            own.extend(named.filter_map(|name| scope.idle_bound(name)));
            // What is wrong for all is said once.
            own.retain(|problem| !problems[..problems_of_all].contains(problem));
            let cited = |problem: String| format!("{problem} (for {})", rule.cite());
            problems.extend(own.into_iter().map(cited));
        }
        problems.extend(self.unmet_rules());
        if !problems.is_empty() {
            return Err(problems);
        }
        let rules = rules.iter();
        let rules = rules.map(|(rule, scope)| (rule.pattern.clone(), scope.policy()));
        Ok(Policies::new(everywhere.policy(), rules))
    }

    /// What is wrong with rules that no topic can meet.
    fn unmet_rules(&self) -> impl Iterator<Item = String> {
        self.topics.iter().enumerate().filter_map(|(index, rule)| {
            let mut before = self.topics[..index].iter();
            let earlier = before.find(|other| other.pattern.covers(&rule.pattern))?;
            let (rule, earlier) = (rule.cite(), earlier.cite());
            Some(format!(
                "{rule} is never met: all its topics meet {earlier}, which comes first"
            ))
        })
    }

    fn policy(&self) -> Policy {
        Policy {
            retention: self.retain.map(|retain| Retention {
                time: ticks(retain.0),
                messages_max: self
                    .retain_messages
                    .map_or(u64::MAX, |count| count.0 as u64),
                bytes_max: self.retain_bytes_max.as_usize(),
            }),
            slow_policy: self.slow_policy,
            publish: self.publish,
        }
    }

    /// What is wrong with how messages are retained, if they are.
    fn retention_problems(&self) -> Vec<String> {
        let Some(retain) = self.retain else {
            return Vec::new();
        };
        let is_long = retain.0 > RETAIN_LIMIT;
        let is_none = self.retain_messages.is_some_and(|count| count.0 == 0);
        let retained = self.retain_bytes_max.0;
        let is_large = retained > self.topic_log_bytes_max.0 / LOG_PER_RETAINED;
        let problems = [
            is_long.then(|| {
                format!(
                    "{} is too long: it can be 30 days at most",
                    self.cite("retain")
                )
            }),
            is_none.then(|| {
                format!(
                    "{} retains nothing: that is retain = \"off\"",
                    self.cite("retain_messages")
                )
            }),
            is_large.then(|| {
                format!(
                    "{} is more than half of {}: lower the one or raise the other",
                    self.cite("retain_bytes_max"),
                    self.cite("topic_log_bytes_max")
                )
            }),
        ];
        problems.into_iter().flatten().collect()
    }

    /// What is wrong with a bound if nothing is retained. One that is the default does no harm: what
    /// `fanfare config` prints has it.
    fn idle_bound(&self, name: &str) -> Option<String> {
        if self.retain.is_some() {
            return None;
        }
        let setting = &SETTINGS[settings::find(name)?];
        let is_default = (setting.values)(self).concat() == setting.default;
        (!is_default).then(|| {
            format!(
                "{} has no effect with {}: say for how long messages are retained",
                self.cite(name),
                self.cite("retain")
            )
        })
    }
}

#[cfg(test)]
mod tests;
