//! Broadcast with tokio-tungstenite: a task per connection, and a broadcast channel per topic.
//!
//! `peer PORT THREADS`; one thread is tokio's single-threaded runtime.

use futures_util::{SinkExt, StreamExt};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::{env, io};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::broadcast::{self, Sender};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};

/// Whoever is further behind is disconnected.
const LAG_MAX: usize = 1024;
/// Messages that one look at a socket brings at most.
const CHUNK: usize = 64;

type Topics = Arc<Mutex<HashMap<String, Sender<Message>>>>;

fn main() -> io::Result<()> {
    let number = |index| {
        env::args()
            .nth(index)
            .and_then(|arg| arg.parse::<u16>().ok())
    };
    let (Some(port), Some(threads)) = (number(1), number(2)) else {
        panic!("usage: peer PORT THREADS");
    };
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads.into());
    }
    builder.enable_io().build()?.block_on(listen(port))
}

async fn listen(port: u16) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], port).into())?;
    let listener: TcpListener = socket.listen(4096)?;
    let topics = Topics::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let topics = topics.clone();
        // That a connection fails is its own affair.
        tokio::spawn(async move { serve(stream, topics).await.ok() });
    }
}

async fn serve(stream: TcpStream, topics: Topics) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut name = String::new();
    let mut on_request = |request: &Request, response: Response| {
        name = request
            .uri()
            .path()
            .trim_start_matches("/ws")
            .trim_start_matches('/')
            .to_owned();
        Ok::<_, ErrorResponse>(response)
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .max_message_size(Some(1024 * 1024));
    let socket =
        tokio_tungstenite::accept_hdr_async_with_config(stream, &mut on_request, Some(config))
            .await?;
    let topic = topics
        .lock()
        .unwrap()
        .entry(name)
        .or_insert_with(|| broadcast::channel(LAG_MAX).0)
        .clone();
    let mut receiver = topic.subscribe();
    let (mut sink, source) = socket.split();
    let mut source = source.ready_chunks(CHUNK);
    loop {
        tokio::select! {
            messages = source.next() => {
                let Some(messages) = messages else { return Ok(()) };
                for message in messages {
                    let message = message?;
                    if message.is_text() || message.is_binary() {
                        // At least this connection gets it.
                        let _ = topic.send(message);
                    }
                }
            }
            message = receiver.recv() => {
                // An error is that it is too far behind.
                let Ok(message) = message else { return Ok(()) };
                sink.feed(message).await?;
                while let Ok(message) = receiver.try_recv() {
                    sink.feed(message).await?;
                }
                sink.flush().await?;
            }
        }
    }
}
