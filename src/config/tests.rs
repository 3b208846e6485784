use super::*;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn from_file(text: &str) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    file::apply_text(&mut config, &Arc::from("f.toml"), text)?;
    Ok(config)
}

pub(super) fn problems(text: &str) -> Vec<String> {
    let error = from_file(text).expect_err(text);
    error.problems().map(str::to_owned).collect()
}

pub(super) fn problem(text: &str) -> String {
    let mut problems = problems(text);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

pub(super) fn flags(arguments: &[&str]) -> Flags {
    use clap::{Args, Command, FromArgMatches};
    let command = Flags::augment_args(Command::new("test").no_binary_name(true));
    let matches = command.try_get_matches_from(arguments).expect("all right");
    Flags::from_arg_matches(&matches).expect("all right")
}

pub(super) fn no_variables(_: &str) -> Option<OsString> {
    None
}

#[test]
fn every_default_is_a_value_and_reads_back() {
    let config = Config::default();
    for setting in SETTINGS {
        let written = (setting.values)(&config);
        assert_eq!(written, table::split(setting.default), "{}", setting.name);
    }
    config.limits().expect("they fit together");
}

#[test]
fn names_are_unique_and_explained() {
    for (index, setting) in SETTINGS.iter().enumerate() {
        assert_eq!(settings::find(setting.name), Some(index));
        assert!(!setting.help.is_empty() && !setting.reason.is_empty());
    }
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_default() {
    let variable = |name: &str| match name {
        "FANFARE_PONG_TIMEOUT" => Some("7s".into()),
        "FANFARE_CLOSE_TIMEOUT" => Some("8s".into()),
        "FANFARE_ORIGIN" => Some("a.example,b.example".into()),
        // Set to nothing is not set.
        "FANFARE_IDLE_TIMEOUT" => Some("".into()),
        _ => None,
    };
    let flags = flags(&["--pong-timeout", "6s", "--listen", "1,2", "--listen", "3"]);
    let config = Config::layered(&flags, variable).unwrap();
    assert_eq!(config.pong_timeout, Period(Duration::from_secs(6)));
    assert_eq!(config.close_timeout, Period(Duration::from_secs(8)));
    assert_eq!(config.origin.len(), 2);
    assert_eq!(config.listen.len(), 3);
    assert_eq!(config.idle_timeout, None);
    assert_eq!(config.cite("pong_timeout"), "--pong-timeout 6s");
    assert_eq!(config.cite("close_timeout"), "FANFARE_CLOSE_TIMEOUT=8s");
    assert_eq!(
        config.cite("idle_timeout"),
        "--idle-timeout (by default off)"
    );
}

#[test]
fn spaces_around_the_values_of_a_list_are_none_of_theirs() {
    let listed = |config: &Config| {
        let origins: Vec<_> = config.origin.iter().map(ToString::to_string).collect();
        assert_eq!(origins, ["https://a.example", "https://b.example"]);
        let listen: Vec<_> = config.listen.iter().map(ToString::to_string).collect();
        assert_eq!(listen, ["8080", "[::1]:8081"]);
        assert_eq!(config.trusted_proxy.len(), 2);
        let spoken: Vec<_> = config.subprotocol.iter().map(ToString::to_string).collect();
        assert_eq!(spoken, ["mqtt", "v1.chat"]);
    };
    let lists = [
        ("listen", " 8080 ,\t[::1]:8081\r\n"),
        ("trusted_proxy", "10.0.0.0/8, unix"),
        ("origin", "https://a.example, https://b.example, "),
        ("subprotocol", "mqtt ,v1.chat"),
    ];
    let by_variable = |name: &str| {
        let key = name.strip_prefix("FANFARE_")?.to_lowercase();
        let list = lists.iter().find(|(name, _)| *name == key)?;
        Some(list.1.into())
    };
    listed(&Config::layered(&Flags::default(), by_variable).unwrap());
    let by_flag = lists.map(|(name, list)| {
        let list = list.trim_end_matches([' ', ',']);
        format!("--{}={list}", name.replace('_', "-"))
    });
    let by_flag = flags(&by_flag.each_ref().map(String::as_str));
    listed(&Config::layered(&by_flag, no_variables).unwrap());
    let by_text = lists.map(|(name, list)| format!("{name} = {list:?}\n"));
    listed(&from_file(&by_text.concat()).unwrap());
    let by_array = lists.map(|(name, list)| {
        let items: Vec<&str> = list.split(',').filter(|item| *item != " ").collect();
        format!("{name} = {items:?}\n")
    });
    listed(&from_file(&by_array.concat()).unwrap());
    let problem = problem("origin = \"a.example, a b\"");
    assert!(problem.ends_with("found \"a b\""), "{problem}");
}

#[test]
fn all_that_is_wrong_with_the_environment_is_named() {
    let variable = |name: &str| match name {
        "FANFARE_PONG_TIMEOUT" | "FANFARE_ORIGIN" => Some("so on/".into()),
        _ => None,
    };
    let error = Config::layered(&Flags::default(), variable).unwrap_err();
    assert_eq!(
        error.problems().collect::<Vec<_>>(),
        [
            "FANFARE_ORIGIN: expected an origin such as https://example.com, example.com, \
             https://*.example.com or *; found \"so on/\"",
            "FANFARE_PONG_TIMEOUT: expected a time such as 10s, 500ms or 2m; found \"so on/\"",
        ]
    );
}

#[test]
fn a_file_says_it_in_any_natural_way() {
    let config = from_file(
        "\u{FEFF}# comment\r\nlisten = 9000\nconnections_max = 1_000\npong_timeout = 2.5\n\
         message_bytes_max = \"64KiB\"\nidle_timeout = \"off\"\norigin = [\n  \"a.example\",\n  \
         \"b.example\",\n]\nlog_level = \"debug\"\n",
    )
    .unwrap();
    assert_eq!(config.listen, ["9000".parse().unwrap()]);
    assert_eq!(config.connections_max, Some(Count(1000)));
    assert_eq!(config.pong_timeout, Period(Duration::from_millis(2500)));
    assert_eq!(config.message_bytes_max, Bytes(65_536));
    assert_eq!(config.origin.len(), 2);
    assert_eq!(
        config.cite("pong_timeout"),
        "f.toml:4: pong_timeout = \"2s 500ms\""
    );
}

#[test]
fn what_is_wrong_with_a_file_names_line_key_and_what_was_expected() {
    for (text, expected) in [
        (
            "\npong_timeout = true",
            "f.toml:2: pong_timeout: expected a time such as 10s, 500ms or 2m; found the boolean \
             true",
        ),
        (
            "message_bytes_max = \"lots\"",
            "f.toml:1: message_bytes_max: expected a number of bytes such as 4096, 64KiB or 8MiB; \
             found \"lots\"",
        ),
        (
            "message_bytes_max = -1",
            "f.toml:1: message_bytes_max: expected a number of bytes such as 4096, 64KiB or 8MiB; \
             found the number -1",
        ),
        (
            "connections_max = 1.5",
            "f.toml:1: connections_max: expected a whole number such as 10000, or `off`; found \
             the number 1.5",
        ),
        (
            "connections_max = [1]",
            "f.toml:1: connections_max: expected a whole number such as 10000, or `off`; found an \
             array",
        ),
        (
            "subprotocol = 5",
            "f.toml:1: subprotocol: expected text in quotes, found the number 5",
        ),
        (
            "origin = [\n\"a.example\",\n\"a b\"]",
            "f.toml:3: origin: expected an origin such as https://example.com, example.com, \
             https://*.example.com or *; found \"a b\"",
        ),
        (
            "slow_policy = \"drop\"",
            "f.toml:1: slow_policy: expected one of close, skip; found \"drop\"",
        ),
        (
            "mesage_bytes_max = 5",
            "f.toml:1: mesage_bytes_max: unknown key; expected the name of a setting, such as \
             message_bytes_max",
        ),
        (
            "frobnicate = 5",
            "f.toml:1: frobnicate: unknown key; expected the name of a setting; `fanfare config` \
             lists them",
        ),
        (
            "# limits\n[limits]\nconnections_max = 5",
            "f.toml:2: limits: unknown key; settings stand at the top level, in no table but \
             [[topic]]",
        ),
    ] {
        assert_eq!(problem(text), expected);
    }
}

#[test]
fn malformed_toml_names_the_line() {
    for (text, start) in [
        ("a = 1\nb = \n", "f.toml:2: "),
        ("listen = \"8080", "f.toml:1: "),
        ("listen = 1\nlisten = 2", "f.toml:2: "),
        ("= 5", "f.toml:1: "),
        ("\nx", "f.toml:2: "),
    ] {
        let problem = &problems(text)[0];
        assert!(problem.starts_with(start), "{problem}");
        assert!(problem.len() > start.len() + 5, "{problem}");
    }
}

#[test]
fn problems_come_in_the_order_of_the_lines() {
    let problems = problems("slow_policy = 1\nlog_level = 1\nbogus = 1\norigin = 1");
    let lines: Vec<&str> = problems.iter().map(|problem| &problem[..8]).collect();
    assert_eq!(lines, ["f.toml:1", "f.toml:2", "f.toml:3", "f.toml:4"]);
}

#[test]
fn contradictions_name_both_sides_and_where_they_stand() {
    let config = from_file("\nmessage_bytes_max = \"4MiB\"").unwrap();
    assert_eq!(
        config.limits().unwrap_err().to_string(),
        "--topic-log-bytes-max (by default 8MiB) is less than 4 times f.toml:2: message_bytes_max = \
         \"4MiB\": raise the one or lower the other"
    );
}

#[test]
fn addresses_that_are_missing_or_there_twice() {
    for (text, expected) in [
        (
            "listen = [':80', 'unix:a', 'unix:a']",
            "f.toml:1: listen = [\":80\", \"unix:a\", \"unix:a\"]: unix:a is there twice",
        ),
        (
            "listen = ['0.0.0.0:80', '127.0.0.1:80']",
            "f.toml:1: listen = [\"0.0.0.0:80\", \"127.0.0.1:80\"]: 0.0.0.0:80 and 127.0.0.1:80 are in \
             part the same: leave one out",
        ),
        (
            "listen = []",
            "f.toml:1: listen = []: expected an address to listen on",
        ),
    ] {
        let error = from_file(text).unwrap().limits().unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    for listen in ["[0, 0]", "['0.0.0.0:80', '[::]:80']", "['[::]:80', '80']"] {
        let config = from_file(&format!("listen = {listen}")).unwrap();
        config.limits().expect("each is another one");
    }
}

#[test]
fn heartbeats_may_be_off() {
    let limits = from_file("heartbeat_interval = 'off'").unwrap().limits();
    assert_eq!(limits.unwrap().heartbeat_interval, u32::MAX);
}

#[test]
fn what_a_program_set_is_not_called_a_default() {
    let config = Config {
        message_bytes_max: Bytes(8 << 20),
        ..Config::default()
    };
    let error = config.limits().unwrap_err().to_string();
    assert!(
        error.contains("4 times message_bytes_max = 8MiB"),
        "{error}"
    );
}

#[test]
fn what_is_shown_is_a_file_that_says_the_same() {
    let flags = flags(&[
        "--listen=:80,[::1]:81,unix:a \"b\\c\td",
        "--origin=https://a.example",
        "--connections-max=5000",
        "--idle-timeout=90",
        "--log-bytes-max=300000001",
        "--slow-policy=skip",
    ]);
    let config = Config::layered(&flags, no_variables).unwrap();
    let shown = config.to_toml();
    let again = from_file(&shown).unwrap();
    for setting in SETTINGS {
        assert_eq!((setting.values)(&config), (setting.values)(&again));
    }
    let line = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(line("listen").starts_with(r#"listen = [":80", "[::1]:81", "unix:a \"b\\c\u0009d"]"#));
    assert!(line("listen").ends_with("  # --listen"));
    assert!(line("connections_max").starts_with("connections_max = 5000 "));
    assert!(line("idle_timeout").starts_with("idle_timeout = \"1m 30s\""));
    assert!(line("log_bytes_max").starts_with("log_bytes_max = 300000001 "));
    assert!(line("pong_timeout").ends_with("  # default"));
}

#[test]
fn a_reload_adopts_what_it_can_and_says_what_it_can_t() {
    let mut config = from_file("pong_timeout = 5").unwrap();
    let wanted = from_file("\n\npong_timeout = 6\nlisten = 9000").unwrap();
    let held = config.adopt(&wanted);
    assert_eq!(config.pong_timeout, Period(Duration::from_secs(6)));
    assert_eq!(
        config.cite("pong_timeout"),
        "f.toml:3: pong_timeout = \"6s\""
    );
    assert_eq!(config.listen, Config::default().listen);
    let listen = PendingRestart {
        name: "listen",
        in_force: "127.0.0.1:8080".into(),
        wanted: "9000".into(),
    };
    assert_eq!(held, [listen]);
}

#[test]
fn descriptors_bound_the_connections() {
    let mut config = Config::default();
    assert_eq!(config.sockets_max(1017, 1).unwrap(), 1000);
    assert!(config.sockets_max(17, 1).is_err());
    config.connections_max = Some(Count(900));
    assert_eq!(config.sockets_max(1017, 1).unwrap(), 964);
    config.connections_max = Some(Count(1000));
    let error = config.sockets_max(1017, 1).unwrap_err().to_string();
    assert!(
        error.contains("1081 open files") && error.contains("to 936"),
        "{error}"
    );
}
