//! A worker that reads: it has readers of a fan-out whose publishers are the coordinator's.

use super::super::client_loop::ClientLoop;
use super::super::clock::{self, REST};
use super::super::crew::{Control, Order, Task, WorkerAnswer, WorkerResult};
use super::super::failure::Failure;
use super::super::options::MessageOptions;
use super::super::rooms::{Outlet, Plan, Rooms};
use super::super::script::Script;
use super::super::target::follow;

pub(super) fn read(
    task: &Task,
    message: &MessageOptions,
    publishers: usize,
    tag: u32,
    mut client_loop: ClientLoop,
    control: &mut Control,
) -> Result<WorkerResult, Failure> {
    let routes = follow(&task.target, &task.addresses);
    let mut rooms: Option<Rooms> = None;
    let mut has_opened = false;
    let mut said = (0, 0);
    loop {
        while let Some(order) = control.receive()? {
            match order {
                Order::Open(readers) => {
                    let script = Script::of(message, task.target.deflate, tag);
                    let outlet = Outlet::Elsewhere { publishers };
                    rooms = Some(Rooms::new(
                        script,
                        Plan {
                            rooms: 1,
                            readers,
                            outlet,
                            v1: task.target.speaks_v1(),
                            reading: task.target.protocol(),
                        },
                    ));
                    for _ in 0..readers {
                        let route = routes[0].clone();
                        client_loop
                            .links
                            .open(route.speaking(task.target.protocol()));
                    }
                }
                Order::Finish(published) => {
                    let mut rooms = rooms.ok_or_else(|| Failure::new("nothing was opened"))?;
                    rooms.give_up_at(published);
                    return Ok(WorkerResult {
                        handshakes: rooms.handshakes,
                        failed: Default::default(),
                        endings: rooms.endings,
                        tally: rooms.shared.tally,
                    });
                }
            }
        }
        let Some(rooms) = &mut rooms else {
            std::thread::yield_now();
            continue;
        };
        if client_loop.links.opening_count() > 0 || has_opened {
            client_loop.turn(rooms, clock::now() + REST)?;
        }
        if let Some(failure) = rooms.failure() {
            return Err(failure);
        }
        if !has_opened && client_loop.links.opening_count() == 0 {
            has_opened = true;
            control.send(&WorkerAnswer::Opened(client_loop.links.open_count()))?;
        }
        rooms.settle_all();
        // No message waits for a worker that has no reader left.
        let done = match rooms.is_empty() {
            true => u64::MAX,
            false => rooms.done(),
        };
        let now = (done, rooms.delivered());
        if now != said {
            said = now;
            let (done, delivered) = now;
            control.send(&WorkerAnswer::Done { done, delivered })?;
        }
    }
}
