//! A worker that holds connections, and the entrance of all workers.

use super::super::clock::{self, REST};
use super::super::driver::Driver;
use super::super::failure::Failure;
use super::super::idle::Idle;
use super::super::target::follow;
use super::super::target::open_options;
use super::super::watch::ignore_signals;
use super::control::Control;
use super::{Job, Order, Task, Word, WorkerResult, listener};
use std::io::stdin;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// `fanfare bench worker`
pub(in super::super) fn run_worker() -> Result<(), Failure> {
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
        Job::Hold => hold(&task, driver, &mut control),
        Job::Hear {
            message,
            publishers,
            tag,
        } => listener::hear(&task, message, *publishers, *tag, driver, &mut control),
    };
    match outcome {
        Err(failure) => control.send(&Word::Failed(failure.reason)),
        Ok(result) => control.send(&Word::Result(Box::new(result))),
    }
}

fn hold(task: &Task, mut driver: Driver, control: &mut Control) -> Result<WorkerResult, Failure> {
    let routes = follow(&task.target, &task.addresses);
    let mut idle = Idle::default();
    let mut is_opening = false;
    loop {
        while let Some(order) = control.receive()? {
            match order {
                Order::Open(count) => {
                    for _ in 0..count {
                        let number = task.first + driver.links.len();
                        idle.open(&mut driver, routes[number % routes.len()].numbered(number));
                    }
                    is_opening = true;
                }
                Order::Finish(_) => return Ok(idle.into_result()),
            }
        }
        if is_opening && driver.links.opening_count() == 0 {
            is_opening = false;
            control.send(&Word::Opened(driver.links.open_count()))?;
        }
        driver.turn(&mut idle, clock::now() + REST)?;
    }
}
