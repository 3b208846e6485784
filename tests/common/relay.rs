//! The real binary, started for one test and ended with it.

use super::{Client, DEADLINE, eventually, text};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

const BINARY: &str = env!("CARGO_BIN_EXE_fanfare");

/// Settings of a relay with a small log, and sockets that are soon full. Of messages of 1,000 bytes, a
/// reader that stalls nearly always stands inside one.
pub(crate) const SMALL_LOG: &[&str] = &[
    "--message-bytes-max",
    "64KiB",
    "--send-buffer-bytes",
    "16KiB",
    "--topic-log-bytes-max",
    "256KiB",
];

/// A relay that runs. It is killed when this is dropped.
pub(crate) struct Relay {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Lines of its log, as they come.
    stderr: mpsc::Receiver<String>,
    log: String,
    witnesses: Vec<Client>,
    exchanges: usize,
}

/// How a relay ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None` if a signal killed it.
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

/// The binary, with an environment that holds no setting of ours.
pub(crate) fn command() -> Command {
    clean(Command::new(BINARY))
}

fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FANFARE_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

impl Relay {
    /// Starts one on a free port.
    pub(crate) fn start(flags: &[&str]) -> Relay {
        let mut command = command();
        command.args(["--listen", "127.0.0.1:0"]).args(flags);
        Relay::start_as(command)
    }

    /// Starts one after these shell commands, which may set limits.
    pub(crate) fn start_after(shell: &str, flags: &[&str]) -> Relay {
        let mut command = clean(Command::new("bash"));
        let script = format!("{shell}; exec \"$0\" --listen 127.0.0.1:0 \"$@\"");
        command.args(["-c", &script, BINARY]).args(flags);
        Relay::start_as(command)
    }

    /// Starts one as systemd does: with this socket as descriptor 3, and variables that say so.
    pub(crate) fn start_with_socket(socket: OwnedFd, flags: &[&str]) -> Relay {
        let mut command = clean(Command::new("bash"));
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
        command
            .args(["-c", script, BINARY])
            .args(flags)
            .stdin(socket);
        Relay::start_as(command)
    }

    /// Starts one that listens on an address of 127.0.0.0/8 with a port that is free.
    pub(crate) fn start_as(command: Command) -> Relay {
        let (mut relay, errors) = Relay::start_unread(command);
        relay.read_log(errors);
        relay
    }

    /// Starts one whose standard error is not read.
    pub(crate) fn start_unread(mut command: Command) -> (Relay, PipeReader) {
        let (mut errors, stderr) = io::pipe().expect("a pipe");
        command.stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().expect("the relay starts");
        // With it goes our own end of the pipe.
        drop(command);
        let stdout = child.stdout.take().expect("it is piped");
        let (line, first_line) = mpsc::channel();
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut first = String::new();
            let _ = stdout.read_line(&mut first);
            let _ = line.send(first);
            let _ = stdout.read_to_end(&mut Vec::new());
        });
        let line = first_line.recv_timeout(DEADLINE).expect("a first line");
        let address = line
            .split_once("http://")
            .map(|(_, rest)| rest.trim_end().trim_end_matches('/'))
            .and_then(|rest| rest.replace("localhost", "127.0.0.1").parse().ok());
        let Some(address) = address else {
            let _ = child.kill();
            let mut said = String::new();
            let _ = errors.read_to_string(&mut said);
            panic!("no address in {line:?}; standard error:\n{said}");
        };
        let relay = Relay {
            child,
            address,
            stderr: mpsc::channel().1,
            log: String::new(),
            witnesses: Vec::new(),
            exchanges: 0,
        };
        (relay, errors)
    }

    /// Reads its log from here, line by line.
    pub(crate) fn read_log(&mut self, errors: PipeReader) {
        let (lines, stderr) = mpsc::channel();
        self.stderr = stderr;
        thread::spawn(move || {
            let mut errors = BufReader::new(errors);
            let mut line = Vec::new();
            while errors
                .read_until(b'\n', &mut line)
                .is_ok_and(|bytes| bytes > 0)
            {
                let _ = lines.send(String::from_utf8_lossy(&line).into_owned());
                line.clear();
            }
        });
    }

    /// Two bystanders, which joined at the first call, get each other's messages: whatever was done to the
    /// relay, other clients' traffic goes on.
    pub(crate) fn assert_others_exchange(&mut self) {
        let path = "/ws/bystanders";
        while self.witnesses.len() < 2 {
            let witness = Client::join(self, path);
            self.witnesses.push(witness);
        }
        for sender in 0..2 {
            self.exchanges += 1;
            let said = format!("exchange {}", self.exchanges);
            self.witnesses[sender].send(&text(&said));
            for witness in &mut self.witnesses {
                witness.expect_text(&said);
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the relay is there");
    }

    /// Waits until the relay has ended by itself.
    pub(crate) fn ended(mut self) -> Ended {
        let mut status = None;
        eventually("the relay ends", || {
            status = self.child.try_wait().expect("a child of ours");
            status.is_some()
        });
        Ended {
            code: status.and_then(|status| status.code()),
            stderr: std::mem::take(&mut self.log) + &rest(&self.stderr),
        }
    }

    /// Ends it as an operator would, when the bystanders have gone.
    pub(crate) fn terminated(mut self) -> Ended {
        self.witnesses.clear();
        self.signal(Signal::TERM);
        self.ended()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_none()
    }
    /// What it has logged so far.
    pub(crate) fn log(&mut self) -> &str {
        self.log.extend(self.stderr.try_iter());
        &self.log
    }

    /// Where its admin listener is.
    pub(crate) fn admin_address(&mut self) -> SocketAddr {
        const SAID: &str = "the admin listener is at ";
        let mut address = None;
        eventually("the relay says where its admin listener is", || {
            let said = self.log().split_once(SAID);
            let rest = said.filter(|(_, rest)| rest.contains('\n'));
            let is_end = |c: char| c.is_whitespace() || c == '"';
            address = rest.and_then(|(_, rest)| rest.split(is_end).next()?.parse().ok());
            address.is_some()
        });
        address.expect("it was waited for")
    }

    /// Resident memory, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .expect("the kernel tells")
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id());
        fs::read_dir(path).expect("it is ours").count()
    }

    /// Ticks of the kernel's clock that it has worked, of 10 ms each.
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let stat = self.proc("stat");
        let fields = stat.rsplit_once(')').expect("the kernel tells").1;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        [fields[11], fields[12]]
            .iter()
            .map(|ticks| ticks.parse::<u64>().expect("a number"))
            .sum()
    }

    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(path).expect("it runs")
    }
}

/// All that is still said, until the end.
fn rest(lines: &mpsc::Receiver<String>) -> String {
    let mut said = String::new();
    loop {
        match lines.recv_timeout(DEADLINE) {
            Ok(line) => said += &line,
            Err(RecvTimeoutError::Disconnected) => return said,
            Err(RecvTimeoutError::Timeout) => panic!("standard error is never closed: {said}"),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // One that has ended can't be killed, and one that was killed is to be waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
