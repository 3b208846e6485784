//! A worker that holds connections.

use super::super::client_loop::ClientLoop;
use super::super::clock::{self, REST};
use super::super::crew::{Control, Order, Task, WorkerAnswer, WorkerResult};
use super::super::failure::Failure;
use super::super::idle::Idle;
use super::super::target::follow;

pub(super) fn hold(
    task: &Task,
    mut client_loop: ClientLoop,
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
                        let number = task.first + client_loop.links.len();
                        let route = routes[number % routes.len()].numbered(number);
                        idle.open(&mut client_loop, route.speaking(task.target.protocol()));
                    }
                    is_opening = true;
                }
                Order::Finish(_) => return Ok(idle.into_result()),
            }
        }
        if is_opening && client_loop.links.opening_count() == 0 {
            is_opening = false;
            control.send(&WorkerAnswer::Opened(client_loop.links.open_count()))?;
        }
        client_loop.turn(&mut idle, clock::now() + REST)?;
    }
}
