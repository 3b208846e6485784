//! Pieces of work without any I/O, from a frame's header to a turn of the whole relay. The benches
//! `timed` and `counted` measure the very same ones, in seconds and in instructions.

mod parts;
pub(crate) mod relay;

/// A piece of work.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    /// What a run does `units` of.
    pub(crate) unit: &'static str,
    pub(crate) units: u64,
    /// Makes ready; what it returns is one run, which can be repeated.
    pub(crate) prepare: Box<dyn Fn() -> Box<dyn FnMut()>>,
}

impl Work {
    fn new(
        name: &'static str,
        unit: &'static str,
        units: u64,
        prepare: impl Fn() -> Box<dyn FnMut()> + 'static,
    ) -> Self {
        Work {
            name,
            unit,
            units,
            prepare: Box::new(prepare),
        }
    }
}

/// All of them, the smallest first.
pub(crate) fn all() -> Vec<Work> {
    [parts::all(), relay::all()].into_iter().flatten().collect()
}
