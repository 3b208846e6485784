//! Which files of a room know each other, and the circles among them.
//!
//! A file knows another if it names an item that is defined there: paths are followed through `use` and
//! `pub use` to the definition. `mod child;` is no knowledge, and neither is `pub use child::Item` unless
//! the file uses that name itself.
//!
//! A parent is a file like any other. It may be above its children, made of them; or below them, with
//! words that they share; or neither, a list of contents. It can't be above and below: then none of the
//! files could be understood without all the others. What the children share belongs in a file of its
//! own beside them. An exception that let children name their parent freely would hide every circle
//! whose halves are made parent and child.
//!
//! Tokens are names, not types: that a method is called on a value shows no file.

use crate::tokens::Role;
use crate::{Named, Source, sources};
use std::collections::{BTreeMap, BTreeSet};

/// From the crate's root on.
type Path = Vec<String>;

/// The files of a room, tests apart.
pub(crate) struct Files {
    /// By module.
    files: BTreeMap<Path, File>,
}

struct File {
    name: String,
    paths: Vec<Named>,
    /// What it imports, by the names that it gives.
    names: BTreeMap<String, Path>,
}

/// Which file names which, with the first place that shows it.
type Edges = BTreeMap<(Path, Path), String>;

impl Files {
    pub(crate) fn of_room(name: &str) -> Self {
        Files::new(sources().filter(|source| source.modules()[0] == name))
    }

    fn new(sources: impl Iterator<Item = Source>) -> Self {
        let mut files = Files {
            files: sources.filter(|it| !it.is_test()).map(file).collect(),
        };
        let modules: Vec<Path> = files.files.keys().cloned().collect();
        for module in modules {
            let names = files.names(&module);
            if let Some(file) = files.files.get_mut(&module) {
                file.names = names;
            }
        }
        files
    }

    /// The circles, described. In a circle each file knows each other one, directly or through others.
    pub(crate) fn circles(&self) -> Vec<String> {
        let edges = self.edges();
        let reached = |from: &Path| {
            let mut found = BTreeSet::new();
            let mut pending = vec![from];
            while let Some(at) = pending.pop() {
                for (_, to) in edges.keys().filter(|(one, _)| one == at) {
                    if found.insert(to) {
                        pending.push(to);
                    }
                }
            }
            found
        };
        let reach: BTreeMap<&Path, BTreeSet<&Path>> = self
            .files
            .keys()
            .map(|file| (file, reached(file)))
            .collect();
        let mut circles = BTreeSet::new();
        for (file, others) in &reach {
            let circle: BTreeSet<&Path> = others
                .iter()
                .copied()
                .filter(|other| reach[other].contains(file))
                .collect();
            if !circle.is_empty() {
                circles.insert(circle);
            }
        }
        let describe = |circle: &BTreeSet<&Path>| {
            let inner = edges
                .iter()
                .filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
            let lines: Vec<String> = inner.map(|(_, place)| format!("    {place}")).collect();
            format!("a circle of {} files:\n{}", circle.len(), lines.join("\n"))
        };
        circles.iter().map(describe).collect()
    }

    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (module, file) in &self.files {
            let heads: BTreeSet<&str> = file
                .paths
                .iter()
                .filter(|path| path.role == Role::Used)
                .map(|path| path.segments[0].as_str())
                .collect();
            for path in &file.paths {
                if let Role::Exported(name) = &path.role
                    && !heads.contains(name.as_str())
                {
                    continue;
                }
                let Some(item) = self.absolute(module, &path.segments) else {
                    continue;
                };
                let Some(other) = self.home(&item).filter(|other| other != module) else {
                    continue;
                };
                let text = path.segments.join("::");
                let place = format!(
                    "{} names `{text}` of {}",
                    path.place, self.files[&other].name
                );
                edges.entry((module.clone(), other)).or_insert(place);
            }
        }
        edges
    }

    fn names(&self, module: &Path) -> BTreeMap<String, Path> {
        let named = self.files[module].paths.iter().filter_map(|path| {
            let (Role::Imported(name) | Role::Exported(name)) = &path.role else {
                return None;
            };
            Some((name.clone(), self.absolute(module, &path.segments)?))
        });
        named.collect()
    }

    /// A path of a module from the root on, if it leads into the room.
    fn absolute(&self, module: &Path, segments: &[String]) -> Option<Path> {
        let first = segments[0].as_str();
        let upward = segments.iter().take_while(|it| *it == "super").count();
        let (base, rest) = match first {
            "crate" => (Vec::new(), &segments[1..]),
            "self" => (module.clone(), &segments[1..]),
            "super" => {
                let depth = module.len().checked_sub(upward)?;
                (module[..depth].to_vec(), &segments[upward..])
            }
            _ => match self.files[module].names.get(first) {
                Some(path) => (path.clone(), &segments[1..]),
                None => (module.clone(), segments),
            },
        };
        let path = [&base, rest].concat();
        // A name alone that stands for no child is a local one, or another crate's.
        let child = path.get(..=module.len());
        let is_ours = base != *module || child.is_some_and(|it| self.files.contains_key(it));
        (is_ours && path.first() == module.first()).then_some(path)
    }

    /// The file in which an item stands; none of a module itself.
    fn home(&self, item: &Path) -> Option<Path> {
        let mut at = 1;
        while at < item.len() && self.files.contains_key(&item[..=at]) {
            at += 1;
        }
        let (module, rest) = item.split_at(at);
        let name = rest.first()?;
        match self.files.get(module)?.names.get(name) {
            Some(path) if path != item => self.home(&[path, &rest[1..]].concat()),
            _ => Some(module.to_vec()),
        }
    }
}

fn file(source: Source) -> (Path, File) {
    let module = source.modules().into_iter().map(String::from).collect();
    let file = File {
        name: source.0.name().to_owned(),
        paths: source.paths().filter(|path| !path.is_test).collect(),
        names: BTreeMap::new(),
    };
    (module, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let source = |&(path, text): &(&str, &str)| {
            Source(crate::File {
                path: path.into(),
                text: text.into(),
            })
        };
        Files::new(files.iter().map(source)).circles()
    }

    #[test]
    fn a_circle_is_followed_through_what_is_passed_on() {
        let list = "mod one; mod other; pub use one::One; pub use other::Other;";
        let other = "pub struct Other;";
        let room = |one, other| {
            circles(&[
                ("src/room/mod.rs", list),
                ("src/room/one.rs", one),
                ("src/room/other.rs", other),
            ])
        };
        assert!(room("use super::Other; pub struct One(Other);", other).is_empty());
        for other in [
            "use super::One;",
            "fn f() { crate::room::One::new() }",
            "use super::one; fn f() -> one::One {}",
            "use super::one as two; fn f() -> two::One {}",
        ] {
            let found = room("use super::Other;", other);
            assert_eq!(found.len(), 1, "{other}");
            assert!(
                found[0].contains("src/room/one.rs:1 names `super::Other` of src/room/other.rs")
            );
        }
    }

    #[test]
    fn a_parent_is_above_its_children_or_below_them() {
        let room = |parent, child| {
            let files = [("src/room.rs", parent), ("src/room/child.rs", child)];
            circles(&files).len()
        };
        let (above, below) = ("mod child; use child::Word;", "use super::Item;");
        assert_eq!(room(above, ""), 0);
        assert_eq!(room("mod child; pub struct Item;", below), 0);
        assert_eq!(room(above, below), 1);
        // What is passed on is known by its user alone.
        assert_eq!(room("mod child; pub(crate) use child::Word;", below), 0);
        let used = "mod child; pub(crate) use child::Word; struct Item(Word);";
        assert_eq!(room(used, below), 1);
    }

    #[test]
    fn unit_tests_may_name_any_module() {
        let tests = "#[cfg(test)]\nmod tests {\n    use super::super::other::Other;\n}";
        let files = [
            ("src/room/one.rs", tests),
            ("src/room/other.rs", "use super::one::One;"),
            ("src/room/one/tests.rs", "use crate::room::other::Other;"),
        ];
        assert!(circles(&files).is_empty());
    }
}
