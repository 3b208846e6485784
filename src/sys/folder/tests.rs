use super::*;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder of one test's own, and one beside it that must not be seen. Both go when it does.
struct Tree(PathBuf);

impl Tree {
    fn new() -> Tree {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "fanfare-folder-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let tree = Tree(std::env::temp_dir().join(name));
        fs::create_dir_all(tree.root()).expect("a folder of our own");
        fs::create_dir_all(tree.0.join("outside/folder")).expect("a folder of our own");
        fs::write(tree.0.join("outside/file"), SECRET).expect("a folder of our own");
        fs::write(tree.0.join("outside/folder/file"), SECRET).expect("a folder of our own");
        tree
    }

    fn root(&self) -> PathBuf {
        self.0.join("public")
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("beneath the root")).expect("it is ours");
        fs::write(path, bytes).expect("it is ours");
    }

    fn link(&self, path: &str, target: &str) {
        symlink(target, self.root().join(path)).expect("it is ours");
    }

    fn read(&self) -> Folder {
        self.read_at_most(1 << 20)
            .unwrap_or_else(|error| panic!("{error:?}"))
    }

    fn read_at_most(&self, bytes_max: usize) -> Result<Folder, FolderError> {
        super::read(&self.root(), bytes_max)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // What is left over lies in a folder for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SECRET: &[u8] = b"nobody may see this";

fn paths(folder: &Folder) -> Vec<&str> {
    let paths = folder.files.iter();
    paths
        .map(|file| file.path.to_str().expect("plain names"))
        .collect()
}

fn skipped(folder: &Folder) -> Vec<&str> {
    let skipped = folder.skipped.iter();
    skipped
        .map(|(path, _)| path.to_str().expect("plain names"))
        .collect()
}

#[test]
fn files_and_folders() {
    let tree = Tree::new();
    tree.write("b.txt", "b");
    tree.write("a/deep/er/c.txt", "");
    tree.write("a.txt", [0, 255]);
    let folder = tree.read();
    assert_eq!(paths(&folder), ["a/deep/er/c.txt", "a.txt", "b.txt"]);
    assert_eq!(folder.files[1].bytes, [0, 255]);
    let modified = fs::metadata(tree.root().join("b.txt")).and_then(|it| it.modified());
    assert_eq!(folder.files[2].modified, modified.ok());
    assert!(folder.skipped.is_empty());
}

#[test]
fn names_need_not_be_text() {
    let tree = Tree::new();
    let name = OsStr::from_bytes(b"\xff\\ \n%41");
    fs::write(tree.root().join(name), "x").expect("it is ours");
    assert_eq!(tree.read().files[0].path.as_os_str(), name);
}

#[test]
fn hidden_names_are_left_out_except_well_known() {
    let tree = Tree::new();
    for path in [
        ".env",
        ".git/config",
        "a/.htpasswd",
        ".well-known/security.txt",
        "a..b",
    ] {
        tree.write(path, "x");
    }
    assert_eq!(paths(&tree.read()), [".well-known/security.txt", "a..b"]);
}

#[test]
fn links_are_followed_inside_and_nowhere_else() {
    let tree = Tree::new();
    tree.write("real/file", "inside");
    // As published by tools that swap folders.
    tree.write("..2026/index.html", "of today");
    tree.link("..data", "..2026");
    tree.link("index.html", "..data/index.html");
    tree.link("file", "real/file");
    tree.link("folder", "real");
    tree.link("real/up", "../file");
    for (name, target) in [
        ("out1", "../outside/file"),
        ("out2", "../outside/folder"),
        ("out3", "real/../../outside/file"),
        ("out4", "/etc/passwd"),
        ("out5", ".."),
        ("out6", "/"),
        ("out7", "/proc/self/root/etc/passwd"),
        ("gone", "nowhere"),
        ("self", "self"),
        ("loop", "."),
    ] {
        tree.link(name, target);
    }
    let absolute = tree.root().join("real/file");
    tree.link("out8", absolute.to_str().expect("a plain path"));
    let folder = tree.read();
    assert_eq!(
        paths(&folder),
        [
            "file",
            "folder/file",
            "folder/up",
            "index.html",
            "real/file",
            "real/up"
        ]
    );
    assert!(folder.files.iter().all(|file| file.bytes != SECRET));
    assert_eq!(
        skipped(&folder),
        [
            "gone", "loop", "out1", "out2", "out3", "out4", "out5", "out6", "out7", "out8", "self"
        ]
    );
}

#[test]
fn what_is_no_file_is_left_out_and_not_waited_for() {
    let tree = Tree::new();
    let pipe = tree.root().join("pipe");
    let done = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(done.is_ok_and(|status| status.success()));
    let _socket = std::os::unix::net::UnixListener::bind(tree.root().join("socket"));
    tree.link("null", "/dev/null");
    let folder = tree.read();
    assert!(folder.files.is_empty());
    assert_eq!(skipped(&folder), ["null", "pipe", "socket"]);
}

/// As published by tools that replace files at once. What was opened before is whole as well.
#[test]
fn a_file_that_is_replaced_while_it_is_read() {
    let tree = Tree::new();
    tree.write("page", "old");
    tree.write("next", "new");
    let root = OwnedFd::from(File::open(tree.root()).expect("it is ours"));
    let mut reader = FolderReader::new(&root, Path::new(""), 1 << 20);
    let (page, next) = (tree.root().join("page"), tree.root().join("next"));
    let file = File::open(&page).expect("it is ours");
    let before = file.metadata().expect("it is ours");
    fs::rename(&next, &page).expect("it is ours");
    let read = reader.read_file(&file, &before, "page".into());
    read.expect("it is the same as before");
    assert_eq!(reader.folder.files[0].bytes, b"old");
    let gone = reader.open(&root, c"next", Path::new("next"));
    assert!(matches!(gone, Ok(Opened::Skipped(_))));
    assert_eq!(tree.read().files[0].bytes, b"new");
}

#[test]
fn a_file_that_is_written_while_it_is_read_is_an_error() {
    let tree = Tree::new();
    tree.write("page", "old");
    let root = OwnedFd::from(File::open(tree.root()).expect("it is ours"));
    let mut reader = FolderReader::new(&root, Path::new(""), 1 << 20);
    let file = File::open(tree.root().join("page")).expect("it is ours");
    let before = file.metadata().expect("it is ours");
    tree.write("page", "longer");
    assert!(reader.read_file(&file, &before, "page".into()).is_err());
}

#[test]
fn memory_is_bounded() {
    let tree = Tree::new();
    tree.write("a", vec![0; 1000]);
    tree.write("b/c", vec![0; 2000]);
    let needed = 3 * NAME_BYTES + 3000;
    assert_eq!(tree.read_at_most(needed).expect("enough").files.len(), 2);
    let error = tree.read_at_most(needed - 1).expect_err("too little");
    assert!(matches!(error, FolderError::TooLarge), "{error:?}");
    // A file that is larger than memory is not tried.
    let file = File::create(tree.root().join("huge")).expect("it is ours");
    file.set_len(1 << 40).expect("it has holes");
    let error = tree.read_at_most(1 << 39).expect_err("too little");
    assert!(matches!(error, FolderError::TooLarge), "{error:?}");
}

#[test]
fn folders_that_multiply_by_links_are_bounded() {
    let tree = Tree::new();
    for level in 0..30 {
        fs::create_dir(tree.root().join(format!("{level}"))).expect("it is ours");
        tree.link(&format!("{level}/a"), &format!("../{}", level + 1));
        tree.link(&format!("{level}/b"), &format!("../{}", level + 1));
    }
    let error = tree.read_at_most(1 << 20).expect_err("2^30 folders");
    assert!(matches!(error, FolderError::TooLarge), "{error:?}");
}

#[test]
fn depth_is_bounded() {
    let tree = Tree::new();
    tree.write(&format!("{}file", "a/".repeat(DEPTH_MAX - 1)), "x");
    assert_eq!(tree.read().files.len(), 1);
    tree.write(&format!("{}file", "a/".repeat(DEPTH_MAX)), "x");
    let error = tree.read_at_most(1 << 20).expect_err("too deep");
    assert!(format!("{error:?}").contains("in one another"), "{error:?}");
}

#[test]
fn what_is_not_there_or_no_folder_or_of_another_size_than_it_says() {
    for (path, expected) in [
        ("/nowhere/at/all", "NotFound"),
        ("/etc/passwd", "NotADirectory"),
        // Files there say that they are empty, and are not.
        ("/proc/self/net", "it changed while it was read"),
    ] {
        let error = super::read(Path::new(path), 1 << 20).expect_err(path);
        assert!(format!("{error:?}").contains(expected), "{error:?}");
    }
}

#[test]
fn dates_that_say_nothing() {
    let tree = Tree::new();
    let now = clock::time_of_day();
    let hour = std::time::Duration::from_secs(3600);
    for (name, time) in [
        ("future", now + hour),
        ("old", SystemTime::UNIX_EPOCH - hour),
        ("now", now),
        ("past", now - hour),
    ] {
        let file = File::create(tree.root().join(name)).expect("it is ours");
        file.set_modified(time).expect("it is ours");
    }
    let dated: Vec<_> = tree.read().files;
    let dated = dated
        .iter()
        .map(|file| (file.modified.is_some(), file.is_settled));
    assert_eq!(
        dated.collect::<Vec<_>>(),
        [(false, false), (true, false), (false, true), (true, true)]
    );
}

/// Something in a folder.
#[derive(Clone, Debug)]
enum Entry {
    File,
    Folder,
    Link(String),
}

fn entry() -> impl Strategy<Value = Entry> {
    let step = prop_oneof![
        4 => Just(".."),
        1 => Just("."),
        3 => Just("a"),
        3 => Just("b"),
        1 => Just("outside"),
        1 => Just("file"),
        1 => Just("public"),
    ];
    let target = prop::collection::vec(step, 1..6).prop_map(|steps| steps.join("/"));
    prop_oneof![
        Just(Entry::File),
        Just(Entry::Folder),
        target.prop_map(Entry::Link)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever lies in a folder and whatever links lead where, all that is read comes from inside,
    /// and every plain file is read.
    #[test]
    fn nothing_outside_is_read(
        entries in prop::collection::vec(("(a|b|file)(/(a|b|file)){0,3}", entry()), 0..20),
    ) {
        let tree = Tree::new();
        let mut files = Vec::new();
        for (path, entry) in entries {
            let place = tree.root().join(&path);
            // What can't be made is left out; nothing is made through a link.
            let parent = place.parent().expect("beneath the root");
            if parent.canonicalize().is_ok_and(|real| real == parent.to_path_buf()) {
                match entry {
                    Entry::File => {
                        if File::create_new(&place).is_ok() {
                            fs::write(&place, b"inside").expect("it is ours");
                            files.push(path);
                        }
                    }
                    Entry::Folder => drop(fs::create_dir(&place)),
                    Entry::Link(target) => drop(symlink(target, &place)),
                }
            }
        }
        let folder = tree.read();
        for file in &folder.files {
            prop_assert_eq!(&file.bytes, b"inside", "{:?}", &file.path);
        }
        for file in files {
            prop_assert!(folder.files.iter().any(|read| read.path == Path::new(&file)), "{}", file);
        }
    }
}
