//! A further process of a run, which does what the coordinator asks for ([`crew`](super::crew)).

mod holder;
mod reader;

use super::crew::{Answer, Control, Job, Task};
use super::driver::Driver;
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
    let mut driver = Driver::new(Default::default())?;
    let mut control = Control::new(socket, &driver, 0)?;
    let task: Task = loop {
        match control.receive()? {
            Some(task) => break task,
            None => std::thread::yield_now(),
        }
    };
    driver.links.set_options(open_options(&task.target));
    let outcome = match &task.job {
        Job::Hold => holder::hold(&task, driver, &mut control),
        Job::Read {
            message,
            publishers,
            tag,
        } => reader::read(&task, message, *publishers, *tag, driver, &mut control),
    };
    match outcome {
        Err(failure) => control.send(&Answer::Failed(failure.reason)),
        Ok(result) => control.send(&Answer::Result(Box::new(result))),
    }
}
