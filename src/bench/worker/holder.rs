//! A worker that holds connections.

use super::super::clock::{self, REST};
use super::super::crew::{Answer, Control, Order, Task, WorkerResult};
use super::super::driver::Driver;
use super::super::failure::Failure;
use super::super::idle::Idle;
use super::super::target::follow;

pub(super) fn hold(
    task: &Task,
    mut driver: Driver,
    control: &mut Control,
) -> Result<WorkerResult, Failure> {
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
            control.send(&Answer::Opened(driver.links.open_count()))?;
        }
        driver.turn(&mut idle, clock::now() + REST)?;
    }
}
