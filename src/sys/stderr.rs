//! Standard error, written without waiting for it.
//!
//! Its reader may fall behind: a pipe that is not emptied, a terminal that was stopped, a disk. So
//! lines wait in memory, and a thread writes them. What there is no memory for is dropped, and how much
//! that was is said where it is missing.
//!
//! Standard error could be made to never block instead, but other processes have it open too, and it
//! would not be what they expect.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// Bytes of lines that wait to be written; as many may be on their way already. Some 2,000 lines, more
/// than a healthy reader is ever behind.
const BACKLOG_BYTES_MAX: usize = 256 * 1024;

/// Memory for lines that is kept while there are none.
const BACKLOG_BYTES_AT_REST_MAX: usize = 4 * 1024;

/// Lines that wait to be written. See the [module](self).
#[derive(Debug, Default)]
pub struct LineQueue {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// All is written.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// Lines that were dropped behind these. While there are some, all others are dropped too: what is
    /// missing is missing in one place.
    dropped: u64,
    /// The thread is at work.
    is_writing: bool,
}

impl LineQueue {
    /// Begins to write to standard error. `missing` says, in a line, how many were dropped.
    pub fn start(missing: impl Fn(u64) -> Vec<u8> + Send + 'static) -> io::Result<Arc<Self>> {
        LineQueue::start_to(io::stderr().as_fd().try_clone_to_owned()?, missing)
    }

    fn start_to(
        out: OwnedFd,
        missing: impl Fn(u64) -> Vec<u8> + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let queue = Arc::new(LineQueue::default());
        let writer = queue.clone();
        let work = move || writer.work(&out, &missing);
        Builder::new().name("stderr".into()).spawn(work)?;
        Ok(queue)
    }

    /// Has a line written, with its end.
    pub fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.dropped > 0 || state.lines.len() + line.len() > BACKLOG_BYTES_MAX {
            state.dropped += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        if !mem::replace(&mut state.is_writing, true) {
            self.filled.notify_one();
        }
    }

    /// Waits until all is written, but not for longer than that. False if that did not suffice.
    pub fn flush(&self, within: Duration) -> bool {
        let state = self.lock();
        let waited = self
            .emptied
            .wait_timeout_while(state, within, |state| state.is_writing);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.is_writing
    }

    fn work(&self, out: &OwnedFd, missing: &dyn Fn(u64) -> Vec<u8>) {
        let mut lines = Vec::new();
        let mut state = self.lock();
        loop {
            while state.lines.is_empty() && state.dropped == 0 {
                state.is_writing = false;
                self.emptied.notify_all();
                let woken = self.filled.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
            }
            mem::swap(&mut lines, &mut state.lines);
            let dropped = mem::take(&mut state.dropped);
            drop(state);
            if dropped > 0 {
                lines.extend(missing(dropped));
            }
            // Each by itself, so that another process's lines get between them and not into them.
            for line in lines.split_inclusive(|&byte| byte == b'\n') {
                write(out, line);
            }
            lines.clear();
            lines.shrink_to(BACKLOG_BYTES_AT_REST_MAX);
            state = self.lock();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes it all, however long that takes. If it can't be written, there is no way left to say so.
fn write(out: &OwnedFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(out, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Another process that has it open, too, made it so.
            Err(Errno::AGAIN) => drop(poll(&mut [PollFd::new(out, PollFlags::OUT)], None)),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::ioctl_fionbio;
    use std::io::{BufRead, BufReader, PipeReader, Read, pipe};

    const DEADLINE: Duration = Duration::from_secs(30);

    fn queue(never_blocks: bool) -> (Arc<LineQueue>, PipeReader) {
        let (reader, writer) = pipe().unwrap();
        let writer = OwnedFd::from(writer);
        ioctl_fionbio(&writer, never_blocks).unwrap();
        let missing = |count| format!("{count} missing\n").into_bytes();
        (LineQueue::start_to(writer, missing).unwrap(), reader)
    }

    fn read_until(reader: &mut PipeReader, end: &str) -> String {
        let mut read = String::new();
        let mut part = [0; 1024];
        while !read.ends_with(end) {
            let bytes = reader.read(&mut part).unwrap();
            read += std::str::from_utf8(&part[..bytes]).unwrap();
        }
        read
    }

    #[test]
    fn lines_are_written_in_their_order_and_flushed() {
        let (queue, mut reader) = queue(false);
        let mut expected = String::new();
        for number in 0..100 {
            let line = format!("line {number}\n");
            queue.push(line.as_bytes());
            expected += &line;
        }
        assert!(queue.flush(DEADLINE));
        assert_eq!(read_until(&mut reader, "line 99\n"), expected);
    }

    #[test]
    fn a_pipe_that_is_not_read_holds_nothing_up_and_a_line_says_what_is_missing() {
        for never_blocks in [false, true] {
            let (queue, mut reader) = queue(never_blocks);
            let count = 100_000;
            for number in 0..count {
                queue.push(format!("line {number}\n").as_bytes());
            }
            assert!(!queue.flush(Duration::ZERO));
            // All of them are there, or are counted where they are missing.
            let mut next = 0;
            let mut lines = BufReader::new(&mut reader).lines();
            while next < count {
                let line = lines.next().unwrap().unwrap();
                match line.split_once(' ') {
                    Some((missing, "missing")) => next += missing.parse::<usize>().unwrap(),
                    _ => {
                        assert_eq!(line, format!("line {next}"));
                        next += 1;
                    }
                }
            }
            drop(lines);
            queue.push(b"there is space\n");
            assert_eq!(read_until(&mut reader, "space\n"), "there is space\n");
            assert!(queue.flush(DEADLINE));
        }
    }

    #[test]
    fn a_pipe_without_a_reader_is_not_waited_for() {
        let (queue, reader) = queue(false);
        drop(reader);
        queue.push(b"line\n");
        assert!(queue.flush(DEADLINE));
    }
}
