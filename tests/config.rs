//! Settings as an operator meets them: the real binary, its files, its environment, what it says
//! and how it exits.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The binary, with an environment that holds no setting of ours.
fn fanfare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FANFARE_") {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .stdin(Stdio::null())
        .current_dir(directory());
    command
}

fn directory() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("config");
    fs::create_dir_all(&directory).expect("a folder of our own");
    directory
}

/// Writes a file beneath the folder that the binary runs in.
fn write(name: &str, text: impl AsRef<[u8]>) -> &str {
    fs::write(directory().join(name), text).expect("a folder of our own");
    name
}

fn run(mut command: Command) -> Output {
    command.output().expect("the binary starts")
}

/// Runs what is to succeed, and returns what it prints.
fn printed(command: Command) -> String {
    let output = run(command);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// Runs what is to be refused as bad input, and returns what it says.
fn refused(command: Command) -> String {
    let output = run(command);
    let errors = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert_eq!(output.stdout, b"", "{errors}");
    errors
}

/// What both `check` and `serve` say of a file.
fn refused_file(name: &str, text: &str) -> String {
    let file = write(name, text);
    let said = refused(fanfare(&["check", file]));
    assert_eq!(refused(fanfare(&["--config", file])), said);
    let mut by_variable = fanfare(&[]);
    by_variable.env("FANFARE_CONFIG", file);
    assert_eq!(refused(by_variable), said);
    said
}

/// The line of a setting in what `fanfare config` prints.
fn line<'a>(shown: &'a str, name: &str) -> Vec<&'a str> {
    let line = shown
        .lines()
        .find(|line| line.split(' ').next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {shown}"));
    line.splitn(2, "  #").map(str::trim).collect()
}

#[test]
fn a_flag_wins_over_a_variable_a_variable_over_the_file_and_the_file_over_the_default() {
    let file = write(
        "layers.toml",
        "pong_timeout = 1\nclose_timeout = 1\n\nidle_timeout = 1\n",
    );
    let mut command = fanfare(&["config", "--config", file, "--pong-timeout", "3"]);
    command
        .env("FANFARE_PONG_TIMEOUT", "2")
        .env("FANFARE_CLOSE_TIMEOUT", "2");
    let shown = printed(command);
    let is = |name, value: &str, source: &str| {
        assert_eq!(line(&shown, name), [&format!("{name} = {value}"), source]);
    };
    is("pong_timeout", "\"3s\"", "--pong-timeout");
    is("close_timeout", "\"2s\"", "FANFARE_CLOSE_TIMEOUT");
    is("idle_timeout", "\"1s\"", "layers.toml:4");
    is("keep_alive_timeout", "\"10s\"", "default");
}

#[test]
fn what_is_shown_is_a_file() {
    let shown = printed(fanfare(&["config", "--origin", "https://a.example"]));
    let file = write("shown.toml", &shown);
    printed(fanfare(&["check", file]));
    let again = printed(fanfare(&["config", "--config", file]));
    let [value, source] = line(&again, "origin")[..] else {
        panic!("{again}")
    };
    assert_eq!(value, "origin = [\"https://a.example\"]");
    assert!(source.starts_with("shown.toml:"), "{source}");
}

#[test]
fn a_file_in_which_nothing_is_wrong() {
    let file = write("right.toml", "listen = [\"8080\", \"[::1]:8080\"]\n");
    assert_eq!(
        printed(fanfare(&["check", file])),
        "right.toml: all is well\n"
    );
}

const TABLES: &str = "\
retain_bytes_max = '64KiB'

[[topic]]
match = 'chat.*'
retain = '10m'
retain_messages = 200
";

#[test]
fn what_differs_by_topic_is_shown_as_a_file() {
    let file = write("topics.toml", TABLES);
    assert_eq!(
        printed(fanfare(&["check", file])),
        "topics.toml: all is well\n"
    );
    let shown = printed(fanfare(&["config", "--config", file]));
    assert_eq!(
        line(&shown, "match"),
        ["match = \"chat.*\"", "topics.toml:4"]
    );
    let again = write("topics-shown.toml", &shown);
    let chat = ["config", "--topic", "chat.1", "--config"];
    let values = |file| {
        let shown = printed(fanfare(&[&chat[..], &[file]].concat()));
        let values = shown.lines().skip(1).map(|line| line.split("  #").next());
        values
            .map(|value| value.map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(values(again), values(file));
}

#[test]
fn the_manual_s_example_of_tables_is_as_it_says() {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md");
    let manual = fs::read_to_string(manual).expect("the manual is there");
    let after = |text: &str, mark| {
        let (_, rest) = text.split_once(mark).expect(mark);
        rest.split_once("```").expect("its end").0.to_owned()
    };
    let (_, section) = manual
        .split_once("\n## Topics that differ\n")
        .expect("a section");
    let file = write("fanfare.toml", after(section, "```toml\n"));
    printed(fanfare(&["check", file]));
    let command = ["config", "--config", file, "--topic", "chat.7"];
    let shown = after(section, &format!("$ fanfare {}\n", command.join(" ")));
    assert_eq!(printed(fanfare(&command)), shown);
}

#[test]
fn which_table_a_topic_meets_and_what_is_in_force_for_it() {
    let file = write("topic.toml", TABLES);
    let shown = |topic| {
        let mut command = fanfare(&["config", "--slow-policy=skip", "--topic", topic]);
        command
            .env("FANFARE_CONFIG", file)
            .env("FANFARE_RETAIN", "off");
        printed(command)
    };
    assert_eq!(
        shown("chat.1"),
        "# The topic \"chat.1\" meets topic.toml:4: match = \"chat.*\"\n\
         \n\
         slow_policy = \"skip\"        # --slow-policy\n\
         retain = \"10m\"              # topic.toml:5\n\
         retain_messages = 200       # topic.toml:6\n\
         retain_bytes_max = \"64KiB\"  # topic.toml:1\n\
         publish = \"anybody\"         # default\n"
    );
    let lobby = shown("lobby");
    let (rule, values) = lobby.split_once("\n\n").expect("two parts");
    assert_eq!(
        rule,
        "# The topic \"lobby\" meets no [[topic]] table: the settings for all hold"
    );
    assert_eq!(
        line(values, "retain"),
        ["retain = \"off\"", "FANFARE_RETAIN"]
    );
    let said = refused(fanfare(&["config", "--topic", "a/b"]));
    assert_eq!(
        said,
        "fanfare: --topic \"a/b\": A topic's name has no `/` and no control characters.\n"
    );
    let said = refused(fanfare(&["config", "--topic", "a", "--retain-messages=5"]));
    assert!(said.contains("--retain-messages 5 has no effect"), "{said}");
}

#[test]
fn tables_that_contradict_each_other_or_the_settings_for_all() {
    let said = refused_file(
        "tables.toml",
        "topic_log_bytes_max = '4MiB'\n\
         [[topic]]\nmatch = 'chat.*'\nretain = '10m'\nretain_bytes_max = '3MiB'\n\
         [[topic]]\nmatch = 'chat.1'\nretain_messages = 5\n",
    );
    assert_eq!(
        said,
        "fanfare: tables.toml:5: retain_bytes_max = \"3MiB\" is more than half of tables.toml:1: \
         topic_log_bytes_max = \"4MiB\": lower the one or raise the other (for tables.toml:3: match = \
         \"chat.*\")\n\
         fanfare: tables.toml:8: retain_messages = 5 has no effect with --retain (by default off): say \
         for how long messages are retained (for tables.toml:7: match = \"chat.1\")\n\
         fanfare: tables.toml:7: match = \"chat.1\" is never met: all its topics meet tables.toml:3: \
         match = \"chat.*\", which comes first\n"
    );
}

#[test]
fn an_unknown_key_of_a_table() {
    let said = refused_file(
        "table.toml",
        "[[topic]]\nmatch = 'a'\nretian = 5\nlisten = 80\n",
    );
    assert_eq!(
        said,
        "fanfare: table.toml:3: retian: unknown key; expected what differs by topic, such as retain\n\
         fanfare: table.toml:4: listen: it is the same for all topics; expected above the first \
         [[topic]]\n"
    );
}

#[test]
fn a_folder_that_cannot_be_read() {
    let said = refused_file("folder.toml", "\npublic = 'nowhere'\n");
    assert_eq!(
        said,
        "fanfare: folder.toml:2: public = \"nowhere\": can't read nowhere: No such file or \
         directory (os error 2)\n"
    );
    write("page.html", "x".repeat(70_000));
    let said = refused_file("large.toml", "public = '.'\npublic_bytes_max = '64KiB'\n");
    assert!(
        said.starts_with(
            "fanfare: large.toml:1: public = \".\": its files take more than large.toml:2: "
        ),
        "{said}"
    );
    let file = write("served.toml", "public = '.'\n");
    assert_eq!(
        printed(fanfare(&["check", file])),
        "served.toml: all is well\n"
    );
    let shown = printed(fanfare(&["config", "--public", "./site"]));
    assert_eq!(line(&shown, "public"), ["public = \"./site\"", "--public"]);
}

#[test]
fn malformed_toml() {
    let said = refused_file("malformed.toml", "listen = 8080\nlog_level = debug\n");
    assert!(said.starts_with("fanfare: malformed.toml:2: "), "{said}");
}

#[test]
fn an_unknown_key() {
    let said = refused_file("unknown.toml", "\npong_time = 5\n");
    assert_eq!(
        said,
        "fanfare: unknown.toml:2: pong_time: unknown key; expected the name of a setting, such as \
         pong_timeout\n"
    );
}

#[test]
fn a_wrong_type() {
    let said = refused_file("type.toml", "message_bytes_max = false\n");
    assert_eq!(
        said,
        "fanfare: type.toml:1: message_bytes_max: expected a number of bytes such as 4096, 64KiB \
         or 8MiB; found the boolean false\n"
    );
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let said = refused_file("several.toml", "listen = true\nlog_level = 7\nbogus = 1\n");
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[test]
fn contradictory_limits() {
    let said = refused_file("contradiction.toml", "\nmessage_bytes_max = \"4MiB\"\n");
    assert_eq!(
        said,
        "fanfare: --topic-log-bytes-max (by default 8MiB) is less than 4 times \
         contradiction.toml:2: message_bytes_max = \"4MiB\": raise the one or lower the other\n"
    );
    let file = write("small.toml", "log_bytes_max = \"1MiB\"\n");
    let said = refused(fanfare(&["config", "--config", file]));
    assert!(said.contains("small.toml:1: log_bytes_max"), "{said}");
    let said = refused(fanfare(&[
        "--message-bytes-max=2GiB",
        "--topic-log-bytes-max=8GiB",
    ]));
    assert!(said.contains("--message-bytes-max 2GiB"), "{said}");
}

#[test]
fn a_file_that_can_t_be_read() {
    for (file, why) in [
        ("missing.toml", "No such file"),
        (".", "directory"),
        ("/dev/zero", "more than 1024 KiB"),
    ] {
        let said = refused(fanfare(&["--config", file]));
        let expected = format!("fanfare: can't read {file}: ");
        assert!(said.starts_with(&expected) && said.contains(why), "{said}");
        assert_eq!(refused(fanfare(&["check", file])), said);
    }
    write("latin.toml", b"# fine\n# caf\xE9\n");
    let said = refused(fanfare(&["check", "latin.toml"]));
    assert!(said.contains("line 2 is not UTF-8"), "{said}");
}

#[test]
fn bad_variables() {
    let mut command = fanfare(&["config"]);
    command
        .env("FANFARE_PONG_TIMEOUT", "soon")
        .env("FANFARE_SLOW_POLICY", "perhaps");
    assert_eq!(
        refused(command),
        "fanfare: FANFARE_SLOW_POLICY: expected one of close, skip; found \"perhaps\"\n\
         fanfare: FANFARE_PONG_TIMEOUT: expected a time such as 10s, 500ms or 2m; found \"soon\"\n"
    );
}

#[test]
fn bad_flags() {
    for (flags, expected) in [
        (&["--message-bytes-max", "lots"][..], "a number of bytes"),
        (&["--pong-timeout=never"], "a time such as 10s"),
        (&["--connections-max", "-1"], "a whole number"),
        (&["--pong-timeout", "-5s"], "longer than none"),
        (&["--heartbeat-interval", "0"], "or `off`"),
        (&["--compression-bytes-min", "0"], "1 at least"),
        (
            &["bench", "idle", "ws://h", "--hold", "-5s"],
            "longer than none",
        ),
        (&["bench", "limit", "-d", "-5s"], "longer than none"),
        (&["--slow-policy", "drop"], "expected one of close, skip"),
        (&["--listen", "nowhere"], "not a port"),
        (&["--log-level", "loud"], "expected one of off, error"),
        (
            &["--origin", "https://a.example/*"],
            "browsers send no path",
        ),
        (&["--listn", "80"], "--listen"),
        (&["frobnicate"], "unrecognized subcommand"),
    ] {
        let said = refused(fanfare(flags));
        assert!(said.contains(expected), "{flags:?}: {said}");
    }
}

#[test]
fn settings_without_effect() {
    for (flags, expected) in [
        (&["--head-bytes-max", "128"][..], "lets no client in"),
        (&["--send-buffer-bytes", "4GiB"], "1 GiB at most"),
        (&["--private-bytes-max", "64KiB"], "--message-bytes-max"),
        (
            &["--listen=unix:@x", "--unix-mode=0600"],
            "unix:@x is no file",
        ),
        (
            &["--listen=unix:x", "--address-connections-max=5"],
            "clients on Unix domain sockets have no address",
        ),
        (
            &[
                "--listen=unix:x",
                "--client-address=forwarded-for",
                "--trusted-proxy=::1,127.0.0.1",
            ],
            "--trusted-proxy unix",
        ),
        (
            &["--client-address=forwarded-for", "--trusted-proxy=unix"],
            "no listener is a Unix domain socket",
        ),
    ] {
        let said = refused(fanfare(flags));
        assert!(said.contains(expected), "{flags:?}: {said}");
    }
    printed(fanfare(&[
        "config",
        "--listen=unix:@x,unix:x",
        "--unix-mode=0600",
        "--client-address=forwarded-for",
        "--trusted-proxy=unix,127.0.0.1",
        "--heartbeat-interval=off",
    ]));
}

#[test]
fn the_reader_of_the_output_may_stop_early() {
    for command in ["config", "settings"] {
        let mut child = fanfare(&[command])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command}");
        assert_eq!(output.status.code(), Some(0), "{command}");
    }
}

#[test]
fn more_connections_than_descriptors() {
    let said = refused(fanfare(&[
        "--listen=127.0.0.1:0",
        "--connections-max=5000000000",
    ]));
    assert!(
        said.contains("--connections-max 5000000000 takes 5000000081 open files"),
        "{said}"
    );
}

#[test]
fn variables_that_are_no_settings_are_shown() {
    let mut command = fanfare(&["config"]);
    command
        .env("FANFARE_LISTN", "8080")
        .env("FANFARE_LISTEN", "8080");
    let shown = printed(command);
    let last = shown.lines().last().unwrap_or_default();
    assert_eq!(last, "# The variable \"FANFARE_LISTN\" is no setting.");
}

#[test]
fn the_manual_s_table_is_what_the_code_says() {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
    let written = fs::read_to_string(manual).expect("the manual is there");
    assert!(
        printed(fanfare(&["settings"])) == written,
        "docs/settings.md is out of date: `cargo run -- settings > docs/settings.md`"
    );
}
