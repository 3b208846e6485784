//! What is true or false of a connection, a bit each: its cache line has no byte for each of them.

/// Something that is true of a connection, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// Permessage-deflate was agreed on: its messages may come compressed.
    Compression,
    /// It came by a listener on loopback.
    Loopback,
    /// A trusted proxy brought it, and said so before all else.
    Introduced,
    /// It was blocked for too long: a write is to tell whether it takes anything at all.
    Probing,
    /// It stands in the queue of those with output of their own.
    Queued,
    /// A ping has left and nothing was heard since.
    AwaitingPong,
    /// A response has left: the wait is for another request, not for the first.
    Served,
}

impl Flag {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The flags of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(u8);

impl Flags {
    #[inline]
    pub(super) fn has(self, flag: Flag) -> bool {
        self.0 & flag.bit() != 0
    }

    pub(super) fn set(&mut self, flag: Flag) {
        self.0 |= flag.bit();
    }

    pub(super) fn clear(&mut self, flag: Flag) {
        self.0 &= !flag.bit();
    }

    pub(super) fn put(&mut self, flag: Flag, is_set: bool) {
        match is_set {
            true => self.set(flag),
            false => self.clear(flag),
        }
    }

    /// Clears a flag, and says whether it was set.
    #[inline]
    pub(super) fn take(&mut self, flag: Flag) -> bool {
        let was_set = self.has(flag);
        self.clear(flag);
        was_set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_is_its_own() {
        let mut flags = Flags::default();
        flags.set(Flag::Compression);
        assert!(flags.has(Flag::Compression) && !flags.has(Flag::Served));
        flags.set(Flag::Served);
        flags.put(Flag::Compression, false);
        assert!(!flags.has(Flag::Compression) && flags.has(Flag::Served));
        assert!(flags.take(Flag::Served) && !flags.take(Flag::Served));
        assert_eq!(flags, Flags::default());
    }
}
