//! What is true or false of a connection whatever its life is, a bit each: its cache line has no byte for
//! each of them.

/// Something that is true of a connection, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) enum Flag {
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
    /// It speaks `fanfare.v1`.
    V1,
    /// It is sent its topic as server-sent events, and has nothing to say.
    Sse,
}

impl Flag {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The flags of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::relay) struct FlagSet(u8);

impl FlagSet {
    #[inline]
    pub(in crate::relay) fn has(self, flag: Flag) -> bool {
        self.0 & flag.bit() != 0
    }

    pub(in crate::relay) fn set(&mut self, flag: Flag) {
        self.0 |= flag.bit();
    }

    pub(in crate::relay) fn clear(&mut self, flag: Flag) {
        self.0 &= !flag.bit();
    }

    pub(in crate::relay) fn put(&mut self, flag: Flag, is_set: bool) {
        match is_set {
            true => self.set(flag),
            false => self.clear(flag),
        }
    }

    /// Clears a flag, and says whether it was set.
    #[inline]
    pub(in crate::relay) fn take(&mut self, flag: Flag) -> bool {
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
        let mut flags = FlagSet::default();
        flags.set(Flag::Compression);
        assert!(flags.has(Flag::Compression) && !flags.has(Flag::Queued));
        flags.set(Flag::Queued);
        flags.put(Flag::Compression, false);
        assert!(!flags.has(Flag::Compression) && flags.has(Flag::Queued));
        assert!(flags.take(Flag::Queued) && !flags.take(Flag::Queued));
        assert_eq!(flags, FlagSet::default());
    }
}
