//! A further process of a run, which does what the coordinator asks for ([`crew`](super::crew)).

mod holder;
mod reader;

use super::client_loop::ClientLoop;
use super::crew::{Control, Job, Task, WorkerAnswer};
use super::failure::Failure;
use super::target::open_options;
use super::watch::ignore_signals;
use std::io::stdin;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// `fanfare bench worker`
pub(super) fn run_worker() -> Result<(), Failure> {
    ignore_signals()?;
    let socket = UnixStream::from(stdin().as_fd().try_clone_to_owned()?);
    // How connections are opened is known only with the task.
    let mut client_loop = ClientLoop::new(Default::default())?;
    let mut control = Control::new(socket, &client_loop, 0)?;
    let task: Task = loop {
        match control.receive()? {
            Some(task) => break task,
            None => std::thread::yield_now(),
        }
    };
    client_loop.links.set_options(open_options(&task.target));
    let outcome = match &task.job {
        Job::Hold => holder::hold(&task, client_loop, &mut control),
        Job::Read {
            message,
            publishers,
            tag,
        } => reader::read(&task, message, *publishers, *tag, client_loop, &mut control),
    };
    match outcome {
        Err(failure) => control.send(&WorkerAnswer::Failed(failure.reason)),
        Ok(result) => control.send(&WorkerAnswer::Result(Box::new(result))),
    }
}
