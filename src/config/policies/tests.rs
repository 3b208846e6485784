use super::super::tests::{flags, from_file, no_variables, problem, problems};
use super::*;
use crate::config::Bytes;
use crate::relay::{Publish, SlowPolicy};

fn contradictions(text: &str) -> Vec<String> {
    let error = from_file(text).expect(text).limits().expect_err(text);
    error.problems().map(str::to_owned).collect()
}

fn policy(config: &Config, topic: &str) -> Policy {
    *config
        .limits()
        .expect("they fit together")
        .policies
        .of(topic)
}

const TABLES: &str = "\
retain_bytes_max = '64KiB'
slow_policy = 'skip'

[[topic]]
match = 'chat.1'

[[topic]]
publish = 'nobody'
match = 'chat.*'
retain = '10m'
retain_messages = 200

[[topic]]
match = '*'
slow_policy = 'close'
retain = 1
";

#[test]
fn by_default_nothing_is_retained_and_anybody_publishes() {
    let config = Config::default();
    assert_eq!(policy(&config, "lobby"), Policy::default());
    let config = from_file("retain = '1h'\npublish = 'http'").unwrap();
    let retention = Retention {
        time: 36_000,
        messages_max: u64::MAX,
        bytes_max: 1 << 20,
    };
    let everywhere = Policy {
        retention: Some(retention),
        slow_policy: SlowPolicy::Close,
        publish: Publish::Http,
    };
    assert_eq!(policy(&config, "lobby"), everywhere);
}

#[test]
fn what_a_table_does_not_name_is_as_it_is_for_all() {
    let config = from_file(TABLES).unwrap();
    let everywhere = Policy {
        slow_policy: SlowPolicy::Skip,
        ..Policy::default()
    };
    assert_eq!(policy(&config, "chat.1"), everywhere);
    let retention = Retention {
        time: 6000,
        messages_max: 200,
        bytes_max: 64 << 10,
    };
    let chat = Policy {
        retention: Some(retention),
        publish: Publish::Nobody,
        ..everywhere
    };
    assert_eq!(policy(&config, "chat.2"), chat);
    let retention = Retention {
        time: 10,
        messages_max: u64::MAX,
        ..retention
    };
    let others = Policy {
        retention: Some(retention),
        ..Policy::default()
    };
    assert_eq!(policy(&config, "lobby"), others);
}

/// A flag speaks of all topics, a table of some.
#[test]
fn a_table_wins_over_a_flag() {
    let mut config = Config::layered(&flags(&["--slow-policy=skip"]), no_variables).unwrap();
    config.topics = from_file(TABLES).unwrap().topics;
    assert_eq!(policy(&config, "chat.2").slow_policy, SlowPolicy::Skip);
    assert_eq!(policy(&config, "lobby").slow_policy, SlowPolicy::Close);
}

#[test]
fn a_program_makes_rules_of_its_own() {
    let rule = |pattern: &str| TopicRule::new(pattern.parse().unwrap());
    let chats = rule("chat.*").with("retain", "10m").unwrap();
    let chats = chats.with("retain", "5s").unwrap();
    let config = Config {
        topics: vec![chats.clone()],
        ..Config::default()
    };
    assert_eq!(policy(&config, "chat.1").retention.unwrap().time, 50);
    let error = chats.with("retain", "long").unwrap_err();
    assert!(error.starts_with("retain: expected a time"), "{error}");
    for name in ["listen", "retian"] {
        let error = rule("a").with(name, "1").unwrap_err();
        assert_eq!(error, format!("{name} is no setting that differs by topic"));
    }
    let config = Config {
        topics: vec![rule("a"), rule("a")],
        ..Config::default()
    };
    assert_eq!(
        config.limits().unwrap_err().to_string(),
        "match = \"a\" is never met: all its topics meet match = \"a\", which comes first"
    );
}

#[test]
fn what_is_wrong_with_a_table_names_line_key_and_what_was_expected() {
    for (text, expected) in [
        (
            "\n[[topic]]\nretain = 5\n[[topic]]\nmatch = 'a'",
            "f.toml:2: [[topic]]: expected match, which says for which topics it is, such as chat.*",
        ),
        (
            "topic = [\n{ match = 'a' },\n{ retain = 5 }]",
            "f.toml:3: [[topic]]: expected match, which says for which topics it is, such as chat.*",
        ),
        (
            "[[topic]]\nmatch = 5",
            "f.toml:2: match: expected text in quotes, found the number 5",
        ),
        (
            "[[topic]]\nmatch = ['a']",
            "f.toml:2: match: expected a topic's name, or how names begin and a `*`, such as chat.*; \
             found an array",
        ),
        (
            "[[topic]]\nmatch = '*.a'",
            "f.toml:2: match: expected a topic's name, or how names begin and a `*`, such as chat.*, \
             which stands at the end only; found \"*.a\"",
        ),
        (
            "[[topic]]\nmatch = 'a'\nretain = true",
            "f.toml:3: retain: expected a time such as 10s, 500ms or 2m, or `off`; found the boolean true",
        ),
        (
            "[[topic]]\nmatch = 'a'\n\nretian = 5",
            "f.toml:4: retian: unknown key; expected what differs by topic, such as retain",
        ),
        (
            "[[topic]]\npattern = 'a'\nmatch = 'a'",
            "f.toml:2: pattern: unknown key; expected one of match, slow_policy, retain, retain_messages, \
             retain_bytes_max, publish",
        ),
        (
            "[[topic]]\nmatch = 'a'\nlisten = 80",
            "f.toml:3: listen: it is the same for all topics; expected above the first [[topic]]",
        ),
        (
            "\n[topic]\nmatch = 'a'",
            "f.toml:2: topic: expected a table with two brackets, [[topic]]; found a table",
        ),
        (
            "topic = [5]",
            "f.toml:1: topic: expected a table with two brackets, [[topic]]; found the number 5",
        ),
        (
            "[[topics]]\nmatch = 'a'",
            "f.toml:1: topics: unknown key; expected a table such as [[topic]]",
        ),
        (
            "match = 'a'",
            "f.toml:1: match: unknown key; expected the name of a setting; `fanfare config` lists them",
        ),
    ] {
        assert_eq!(problem(text), expected);
    }
    let lines = problems("[[topic]]\nmatch = ''\nretain = 'x'\n[[topic]]\nlisten = 1\n");
    let lines: Vec<&str> = lines.iter().map(|problem| &problem[..9]).collect();
    assert_eq!(lines, ["f.toml:2:", "f.toml:3:", "f.toml:4:", "f.toml:5:"]);
}

#[test]
fn a_table_that_is_never_met() {
    let tables = |patterns: &[&str]| {
        let table = |pattern: &&str| format!("[[topic]]\nmatch = '{pattern}'\n");
        patterns.iter().map(table).collect::<String>()
    };
    for patterns in [&["chat.*", "chat.1"][..], &["a", "a"], &["*", "a*"]] {
        let [first, second] = patterns else { continue };
        assert_eq!(
            contradictions(&tables(patterns)),
            [format!(
                "f.toml:4: match = \"{second}\" is never met: all its topics meet f.toml:2: match = \
                 \"{first}\", which comes first"
            )]
        );
    }
    let fine = from_file(&tables(&["chat.1", "chat.*", "*"])).unwrap();
    fine.limits().expect("each is met");
    assert_eq!(contradictions(&tables(&["*", "a", "b"])).len(), 2);
}

#[test]
fn there_may_be_so_many_tables() {
    let table = |number| format!("[[topic]]\nmatch = '{number}'\n");
    let most: String = (0..Policies::RULES_MAX).map(table).collect();
    from_file(&most)
        .unwrap()
        .limits()
        .expect("they are no more");
    let more = most + &table(Policies::RULES_MAX);
    assert_eq!(
        contradictions(&more),
        ["f.toml:2050: match = \"1024\" is one [[topic]] too many: there may be 1024"]
    );
}

#[test]
fn bounds_of_what_is_not_retained() {
    assert_eq!(
        contradictions("retain_messages = 5\nretain_bytes_max = 5"),
        [
            "f.toml:1: retain_messages = 5 has no effect with --retain (by default off): say for how \
             long messages are retained",
            "f.toml:2: retain_bytes_max = 5 has no effect with --retain (by default off): say for how \
             long messages are retained",
        ]
    );
    // Each is of use where it is in force for some topic.
    let table = "[[topic]]\nmatch = 'a'\nretain = 5\n";
    let config = from_file(&format!("retain_messages = 5\n{table}")).unwrap();
    assert_eq!(policy(&config, "a").retention.unwrap().messages_max, 5);
    let named = format!("retain_messages = 5\n{table}retain_messages = 6\n");
    assert_eq!(contradictions(&named).len(), 1);
    // One table has what the other lacks.
    assert_eq!(
        contradictions(&format!(
            "{table}[[topic]]\nmatch = 'b'\nretain_messages = 5"
        )),
        [
            "f.toml:6: retain_messages = 5 has no effect with --retain (by default off): say for how long \
             messages are retained (for f.toml:5: match = \"b\")"
        ]
    );
    assert_eq!(
        contradictions("retain = 5\n[[topic]]\nmatch = 'b'\nretain = 'off'\nretain_bytes_max = 5"),
        [
            "f.toml:5: retain_bytes_max = 5 has no effect with f.toml:4: retain = \"off\": say for how long \
             messages are retained (for f.toml:3: match = \"b\")"
        ]
    );
    let off = "retain = 5\nretain_messages = 5\n[[topic]]\nmatch = 'b'\nretain = 'off'";
    assert_eq!(policy(&from_file(off).unwrap(), "b").retention, None);
}

#[test]
fn what_is_retained_leaves_half_of_a_log_to_its_readers() {
    let log = "message_bytes_max = '16KiB'\ntopic_log_bytes_max = '64KiB'\n";
    from_file(log)
        .unwrap()
        .limits()
        .expect("nothing is retained");
    assert_eq!(
        contradictions(&format!("{log}retain = 5")),
        [
            "--retain-bytes-max (by default 1MiB) is more than half of f.toml:2: topic_log_bytes_max = \
             \"64KiB\": lower the one or raise the other"
        ]
    );
    let table = "[[topic]]\nmatch = 'a'\nretain = 5\n";
    assert_eq!(
        contradictions(&format!("{log}{table}retain_bytes_max = 32769")),
        [
            "f.toml:6: retain_bytes_max = 32769 is more than half of f.toml:2: topic_log_bytes_max = \
             \"64KiB\": lower the one or raise the other (for f.toml:4: match = \"a\")"
        ]
    );
    let most = from_file(&format!("{log}{table}retain_bytes_max = 32768")).unwrap();
    assert_eq!(policy(&most, "a").retention.unwrap().bytes_max, 32_768);
    // What a table shares with all is said once.
    let shared = format!("{log}retain = 5\n[[topic]]\nmatch = 'a'\nslow_policy = 'skip'");
    assert_eq!(contradictions(&shared).len(), 1);
}

#[test]
fn what_can_t_be_retained() {
    let problem = |text| contradictions(text).concat();
    assert_eq!(
        problem("retain = '31days'"),
        "f.toml:1: retain = \"1month 13h 26m 24s\" is too long: it can be 30 days at most"
    );
    let most = from_file("retain = '30days'").unwrap();
    assert_eq!(policy(&most, "a").retention.unwrap().time, 25_920_000);
    assert_eq!(
        problem("retain = 5\nretain_messages = 0"),
        "f.toml:2: retain_messages = 0 retains nothing: that is retain = \"off\""
    );
}

#[test]
fn all_contradictions_are_named_at_once() {
    let text = "head_bytes_max = 1\nadmin = '8080'\nretain_messages = 5\n\
                [[topic]]\nmatch = 'a'\n[[topic]]\nmatch = 'a'\nretain_messages = 5";
    assert_eq!(contradictions(text).len(), 5);
}

#[test]
fn tables_are_shown_as_a_file_that_says_the_same() {
    let config = from_file(TABLES).unwrap();
    let shown = config.to_toml();
    let again = from_file(&shown).unwrap();
    for topic in ["chat.1", "chat.2", "lobby"] {
        assert_eq!(policy(&config, topic), policy(&again, topic), "{topic}");
    }
    let tables = shown.split_once("\n# What differs by topic").unwrap().1;
    assert_eq!(
        tables,
        ": the first table that matches\n\
         \n\
         [[topic]]\n\
         match = \"chat.1\"  # f.toml:5\n\
         \n\
         [[topic]]\n\
         match = \"chat.*\"       # f.toml:9\n\
         retain = \"10m\"         # f.toml:10\n\
         retain_messages = 200  # f.toml:11\n\
         publish = \"nobody\"     # f.toml:8\n\
         \n\
         [[topic]]\n\
         match = \"*\"            # f.toml:14\n\
         slow_policy = \"close\"  # f.toml:15\n\
         retain = \"1s\"          # f.toml:16\n"
    );
    assert!(!Config::default().to_toml().contains("differs by topic"));
}

#[test]
fn a_reload_adopts_tables() {
    let mut config = from_file(TABLES).unwrap();
    let wanted = from_file("[[topic]]\nmatch = 'lobby'\nretain = 5").unwrap();
    assert_eq!(config.adopt(&wanted), []);
    assert_eq!(config.topics, wanted.topics);
    assert_eq!(policy(&config, "chat.2"), Policy::default());
    assert_eq!(policy(&config, "lobby").retention.unwrap().time, 50);
    config.retain_bytes_max = Bytes(5);
    assert_eq!(policy(&config, "lobby").retention.unwrap().bytes_max, 5);
}
