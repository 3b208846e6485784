//! A relay that publishes messages of its own: a second thread publishes a count into the topic `ticks`,
//! ten times a second, and reports how many messages went through.
//!
//! ```sh
//! cargo run --release --example ticker
//! ```
//!
//! Listen with any client at `ws://127.0.0.1:8080/ws/ticks`, or in the page, at the address below.

use fanfare::config::Config;
use fanfare::proto::MessageKind;
use fanfare::server::{Handle, PublishError, Server};
use std::error::Error;
use std::thread;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn Error>> {
    let mut server = Server::bind(&Config::default())?;
    server.handle_signals()?;
    println!("open http://{}/#ticks", server.addresses()[0]);
    let handle = server.handle();
    thread::spawn(move || tick(&handle));
    server.run()?;
    Ok(())
}

/// Publishes until the server is gone.
fn tick(handle: &Handle) -> Result<(), PublishError> {
    for tick in 0u64.. {
        handle.publish("ticks", MessageKind::Text, format!("tick {tick}"))?;
        if tick % 100 == 0 {
            println!("{} messages so far", handle.counters()?.messages);
        }
        thread::sleep(INTERVAL);
    }
    Ok(())
}
