//! Tests of the source itself: which room may know which, and which file of a room which other; where
//! the kernel and the clock may be touched; how long a file may be, and what must not stay in one.
//!
//! It reads tokens, not types: enough, as rooms are named by path.

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/tokens.rs"]
mod tokens;

use circles::Files;
use std::fs;
use std::path::{Path, PathBuf};
use tokens::{Role, Written, paths};

/// A room of the house: a module right beneath the crate's root.
struct Room {
    name: &'static str,
    /// The rooms it may name. All of them stand further down in [`ROOMS`].
    knows: &'static [&'static str],
    /// Which paths of [`KERNEL`] it may name, or what lies beneath them.
    kernel: &'static [&'static str],
}

/// The crate from its entry down to its foundation; an arrow upward means that something stands in
/// the wrong room. `lib.rs` and `main.rs` are the house itself and may name every room.
#[rustfmt::skip]
const ROOMS: &[Room] = &[
    // At the end it sums up what the relay counted.
    Room { name: "cli", knows: &["config", "server", "bench", "journal", "relay"], kernel: &[] },
    // The relay speaks in the wheel's ticks, and in the protocol's kinds of messages.
    Room { name: "server", knows: &["config", "journal", "relay", "metrics", "http", "proto", "proxy", "sys", "transport", "turn", "wheel"], kernel: KERNEL },
    // A turn is written once for all sockets: what they brought and took is all that it asks of them.
    Room { name: "turn", knows: &["relay", "transport"], kernel: &[] },
    // It writes what the relay says.
    Room { name: "transport", knows: &["relay", "sys"], kernel: KERNEL },
    // A program of its own, on the other side of the wire, and so with a loop of its own.
    Room { name: "bench", knows: &["config", "proto", "sys"], kernel: KERNEL },
    // What settings mean is the relay's to say, and durations become ticks at once. The name that a
    // user listens on is resolved at the start, when nothing runs that could wait for it.
    Room { name: "config", knows: &["relay", "journal", "proxy", "sys", "period"], kernel: &["std::net::ToSocketAddrs"] },
    // Lines have a time, which is kept as the system says it.
    Room { name: "journal", knows: &["sys"], kernel: &["std::time::SystemTime"] },
    // The clock of `sys` yields the wheel's ticks.
    Room { name: "sys", knows: &["wheel"], kernel: KERNEL },
    Room { name: "fuzz", knows: &["relay", "http", "proto", "proxy", "log", "wheel"], kernel: &[] },
    // It passes on the time of day that answers are dated with, and never reads it: clippy sees to that.
    Room { name: "relay", knows: &["metrics", "http", "proto", "proxy", "log", "wheel"], kernel: &["std::time::SystemTime"] },
    // Refusals are counted by reason, and closes by code.
    Room { name: "metrics", knows: &["http", "proto"], kernel: &[] },
    // A request may name a span of time.
    Room { name: "http", knows: &["proto", "period"], kernel: &["std::time::SystemTime"] },
    // A proxy may name its client in a header.
    Room { name: "proxy", knows: &["proto"], kernel: &[] },
    Room { name: "proto", knows: &[], kernel: &[] },
    Room { name: "log", knows: &[], kernel: &[] },
    Room { name: "wheel", knows: &[], kernel: &[] },
    Room { name: "period", knows: &[], kernel: &[] },
];

/// The relay's own rooms. None of them knows another, nor the facade that composes them.
const RELAY_ROOMS: &[&str] = &["gate", "hub", "peer"];

/// What they may name besides themselves, of all that lies beneath `relay`: words that they share.
const RELAY_WORDS: &[&str] = &["action", "ids", "limits", "policy", "seat"];

/// What reaches the kernel, or reads its clock.
const KERNEL: &[&str] = &[
    "listenfd",
    "mio",
    "rustix",
    "signal_hook",
    "signal_hook_mio",
    "socket2",
    "std::fs",
    "std::net",
    "std::os",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Names beneath `std::net` that are plain data: any room may hold an address.
const PLAIN_DATA: &[&str] = &[
    "std::net::AddrParseError",
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::net::SocketAddr",
    "std::net::SocketAddrV4",
    "std::net::SocketAddrV6",
];

const LINES_MAX: usize = 400;

/// Files that may be longer, each with the reason why cutting it up would make it worse.
const LONGER: &[(&str, &str)] = &[];

#[test]
fn rooms_know_only_rooms_below_them() {
    for (index, room) in ROOMS.iter().enumerate() {
        for known in room.knows {
            let below = ROOMS[index + 1..].iter().any(|other| other.name == *known);
            assert!(
                below,
                "{} may not know {known}: it does not stand below it",
                room.name
            );
        }
    }
}

#[test]
fn sources_name_only_rooms_that_theirs_may_know() {
    let mut faults = Vec::new();
    for source in sources() {
        let Some(room) = source.room() else { continue };
        for path in source.paths() {
            let Some(name) = source.room_named_by(&path) else {
                continue;
            };
            // Unit tests may replay what the fuzzer says, and so know its bodies; and they may drive turns.
            let known = name == room.name
                || room.knows.contains(&name)
                || path.is_test && ["fuzz", "transport", "turn"].contains(&name);
            if !known {
                faults.push(format!(
                    "{}: `{}` may not name `{name}`",
                    path.place, room.name
                ));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn the_relays_rooms_know_none_of_each_other() {
    let mut faults = Vec::new();
    for source in sources() {
        let modules = source.modules();
        let ["relay", room, ..] = modules[..] else {
            continue;
        };
        if !RELAY_ROOMS.contains(&room) {
            continue;
        }
        for path in source.paths() {
            let from_root = source.absolute(&path).unwrap_or_default();
            // What ends at `relay` is a visibility.
            let ["relay", name, ..] = from_root[..] else {
                continue;
            };
            if name != room && !RELAY_WORDS.contains(&name) {
                faults.push(format!("{}: `{room}` may not name `{name}`", path.place));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn the_kernel_is_touched_in_its_own_rooms_alone() {
    let mut faults = Vec::new();
    for source in sources() {
        let Some(room) = source.room() else { continue };
        for path in source.paths().filter(|path| !path.is_test) {
            let beneath = |list: &[&str]| list.iter().any(|prefix| path.is_beneath(prefix));
            if beneath(KERNEL) && !beneath(PLAIN_DATA) && !beneath(room.kernel) {
                let text = path.segments.join("::");
                faults.push(format!(
                    "{}: `{}` may not name `{text}`",
                    path.place, room.name
                ));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn files_of_a_room_know_each_other_in_one_direction() {
    let circles = |room: &Room| Files::of_room(room.name).circles();
    assert_none(&ROOMS.iter().flat_map(circles).collect::<Vec<_>>());
}

#[test]
fn files_are_short() {
    let mut faults = Vec::new();
    for file in files(
        &["src", "benches", "fuzz", "tests/simulation"],
        &["rs", "js", "css", "html"],
    ) {
        // Unit tests apart: in a file of their own, or at the end of the module's.
        let own_lines = match file.name().ends_with("tests.rs") {
            true => 0,
            false => file.text.lines().count().min(unit_tests_at(&file.text)),
        };
        let longer = LONGER.iter().any(|(name, _)| *name == file.name());
        if own_lines > LINES_MAX && !longer {
            faults.push(format!(
                "{}: {own_lines} lines, over {LINES_MAX}",
                file.name()
            ));
        }
        if own_lines <= LINES_MAX && longer {
            faults.push(format!(
                "{}: short enough, and so no exception",
                file.name()
            ));
        }
    }
    assert_none(&faults);
}

#[test]
fn nothing_is_left_for_later() {
    // In pieces, so that this file passes its own test.
    let words =
        [["TO", "DO"], ["FIX", "ME"], ["db", "g!("], ["to", "do!("]].map(|word| word.concat());
    let extensions = ["rs", "js", "mjs", "css", "html", "py", "toml", ""];
    let mut faults = Vec::new();
    for file in files(&["src", "tests", "benches", "fuzz", ".ci"], &extensions) {
        for (index, line) in file.text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(word.as_str())) {
                faults.push(format!("{}:{}: {word}", file.name(), index + 1));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn modules_open_with_their_contract() {
    let faults: Vec<_> = files(&["src"], &["rs"])
        .filter(|file| !file.name().ends_with("tests.rs") && !file.text.starts_with("//! "))
        .map(|file| format!("{}: does not open with `//! `", file.name()))
        .collect();
    assert_none(&faults);
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// A text file of ours.
struct File {
    /// Relative to the crate's root.
    path: PathBuf,
    text: String,
}

impl File {
    fn name(&self) -> &str {
        self.path.to_str().expect("our files have plain names")
    }
}

/// Every file beneath these directories, as far as they exist, with one of these extensions; seeds
/// and pictures, which are no text, are left out.
fn files(directories: &[&str], extensions: &[&str]) -> impl Iterator<Item = File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let not_ours = [
        "target",
        "node_modules",
        "corpus",
        "artifacts",
        "seeds",
        "__pycache__",
    ];
    let mut pending: Vec<_> = directories.iter().map(|name| root.join(name)).collect();
    let mut found = Vec::new();
    while let Some(path) = pending.pop() {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && !not_ours.contains(&name) {
            let entries = fs::read_dir(&path).expect("a readable directory");
            pending.extend(entries.map(|entry| entry.expect("a readable entry").path()));
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_file() && extensions.contains(&extension.unwrap_or_default()) {
            let path = path
                .strip_prefix(root)
                .expect("beneath the root")
                .to_owned();
            let text = fs::read_to_string(root.join(&path)).expect("a text file");
            found.push(File { path, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no file beneath {directories:?}");
    found.into_iter()
}

/// The line, counted from 0, at which a file's last item, its unit tests, begins; if it has any.
fn unit_tests_at(text: &str) -> usize {
    let lines: Vec<_> = text.lines().collect();
    let begins = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1] == "mod tests {";
    let is_last = |begin: &usize| lines[*begin..].iter().position(|line| *line == "}");
    let begin = lines.windows(2).position(begins);
    begin
        .filter(|begin| is_last(begin) == Some(lines.len() - 1 - begin))
        .unwrap_or(usize::MAX)
}

/// A Rust file of ours.
struct Source(File);

fn sources() -> impl Iterator<Item = Source> {
    files(&["src"], &["rs"]).map(Source)
}

/// A path in a source, such as `crate::wheel::Tick`, however it was written.
struct Named {
    segments: Vec<String>,
    role: Role,
    is_test: bool,
    /// How many modules lie between it and the crate's root.
    depth: usize,
    /// File and line.
    place: String,
}

impl Named {
    fn is_beneath(&self, prefix: &str) -> bool {
        let mut segments = self.segments.iter();
        // A name alone is more likely a variable than a crate.
        self.segments.len() > 1
            && prefix
                .split("::")
                .all(|part| segments.next().is_some_and(|s| s == part))
    }
}

impl Source {
    /// The names of the modules that the file is in, its own last.
    fn modules(&self) -> Vec<&str> {
        let parts = self.0.path.iter().skip(1).filter_map(|part| part.to_str());
        parts
            .map(|part| part.trim_end_matches(".rs"))
            .filter(|part| *part != "mod")
            .collect()
    }

    /// Whether all of it is unit tests.
    fn is_test(&self) -> bool {
        let modules = self.modules();
        modules.iter().any(|name| name.ends_with("tests"))
    }

    fn room(&self) -> Option<&'static Room> {
        let name = self.modules()[0];
        let room = ROOMS.iter().find(|room| room.name == name);
        let is_house = ["lib", "main"].contains(&name);
        assert!(
            is_house || room.is_some(),
            "{}: `{name}` is missing in ROOMS",
            self.0.name()
        );
        room
    }

    fn paths(&self) -> impl Iterator<Item = Named> {
        let modules = self.modules();
        let is_test_file = self.is_test();
        let unit_tests_at = unit_tests_at(&self.0.text);
        paths(&self.0.text).into_iter().map(
            move |Written {
                      line,
                      segments,
                      role,
                  }| {
                let is_unit_test = line >= unit_tests_at;
                Named {
                    segments,
                    role,
                    is_test: is_test_file || is_unit_test,
                    depth: modules.len() + usize::from(is_unit_test),
                    place: format!("{}:{}", self.0.name(), line + 1),
                }
            },
        )
    }

    /// The name beneath the crate's root that a path begins with, if it begins with one of ours.
    fn room_named_by<'a>(&'a self, path: &'a Named) -> Option<&'a str> {
        self.absolute(path)?.into_iter().next()
    }

    /// A path that begins with `crate` or `super`, from the crate's root on.
    fn absolute<'a>(&'a self, path: &'a Named) -> Option<Vec<&'a str>> {
        let mut names = self.modules();
        names.extend(std::iter::repeat_n("tests", path.depth - names.len()));
        let mut segments = path.segments.iter().map(String::as_str).peekable();
        match *segments.peek()? {
            "crate" => names.clear(),
            "super" => {}
            _ => return None,
        }
        segments.next_if_eq(&"crate");
        while segments.next_if_eq(&"super").is_some() {
            names.pop();
        }
        Some(names.into_iter().chain(segments).collect())
    }
}
