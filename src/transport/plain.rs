//! Bytes as they are, over a stream socket.

use super::{ReadOutcome, WriteOutcome};
use crate::relay::Output;
use crate::sys::socket::{self, SocketRead};
use arrayvec::ArrayVec;
use std::io::IoSlice;
use std::os::fd::AsFd;

/// Reads once. A read that does not fill the buffer has drained the socket.
pub fn read(stream: impl AsFd, buffer: &mut [u8]) -> ReadOutcome {
    let bytes_max = buffer.len();
    match socket::read(stream, buffer) {
        SocketRead::Bytes(bytes) => ReadOutcome::Bytes {
            bytes,
            drained: bytes < bytes_max,
        },
        SocketRead::Empty => ReadOutcome::Empty,
        SocketRead::Ended => ReadOutcome::Ended,
        SocketRead::Broken => ReadOutcome::Broken,
    }
}

/// Writes once. A socket that takes less than it was offered is full.
pub fn write(stream: impl AsFd, output: &Output) -> WriteOutcome {
    let taken = match output {
        Output::One(piece) => socket::write(stream, piece.bytes),
        Output::Many(pieces) => {
            let slices = pieces.iter().map(|piece| IoSlice::new(piece.bytes));
            let slices: ArrayVec<_, { Output::PIECES_MAX }> = slices.collect();
            socket::write_vectored(stream, &slices)
        }
    };
    match taken {
        Some(bytes) => WriteOutcome::Taken {
            bytes,
            full: bytes < output.bytes(),
        },
        None => WriteOutcome::Broken,
    }
}
