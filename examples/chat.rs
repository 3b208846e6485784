//! The broadcast chat of every WebSocket tutorial: a page at `/`, a socket at `/ws`, each message
//! to all, a ping when a client falls silent, a clean disconnect.
//!
//! ```sh
//! cargo run --release --example chat
//! ```

use fanfare::config::Config;
use fanfare::server::Server;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut server = Server::bind(&Config::default())?;
    server.handle_signals()?;
    println!("open http://{}/ in two tabs", server.addresses()[0]);
    server.run()?;
    Ok(())
}
