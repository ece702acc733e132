//! House rules that a machine can check: sizes of files, functions, lines; nothing left open.

use std::path::{Path, PathBuf};
use std::process::Command;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Lines of a source file.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function, from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Columns of a line.
const LINE_COLUMNS_MAX: usize = 100;

#[test]
fn files_functions_and_lines_keep_their_size() {
    let complaints: Vec<String> = sources(&["rs", "ts", "css", "js", "mjs", "sh"])
        .iter()
        .flat_map(|path| complaints_about(path))
        .collect();

    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn nothing_is_left_open() {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["#[ig", "nore"].concat()];
    for path in sources(&["rs", "ts", "mjs", "sh"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{} holds {mark}", path.display());
        }
    }
}

fn complaints_about(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("a readable source");
    let lines = text.lines().count();
    let mut complaints = Vec::new();
    if lines > FILE_LINES_MAX {
        complaints.push(format!("{}: {lines} lines", path.display()));
    }
    for (index, line) in text.lines().enumerate() {
        if line.chars().count() > LINE_COLUMNS_MAX && !line.contains("http") {
            complaints.push(format!("{}:{}: a long line", path.display(), index + 1));
        }
    }
    if path.extension().is_some_and(|extension| extension == "rs") {
        let file = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut functions = Functions { path, complaints: &mut complaints };
        functions.visit_file(&file);
    }

    complaints
}

/// Visits functions and notes the long ones.
struct Functions<'a> {
    path: &'a Path,
    complaints: &'a mut Vec<String>,
}

impl Functions<'_> {
    fn measure(&mut self, name: &syn::Ident, start: usize, block: &syn::Block) {
        let lines = block.span().end().line - start + 1;
        if lines > FUNCTION_LINES_MAX {
            let path = self.path.display();
            self.complaints.push(format!("{path}:{start}: `{name}` has {lines} lines"));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig.ident, item.sig.span().start().line, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig.ident, item.sig.span().start().line, &item.block);
        visit::visit_impl_item_fn(self, item);
    }
}

fn sources(extensions: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("git lists the files");
    let files: Vec<PathBuf> = String::from_utf8(listed.stdout)
        .expect("file names are UTF-8")
        .lines()
        .map(|name| root.join(name))
        .filter(|path| path.is_file())
        .filter(|path| path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)))
        .collect();
    assert!(files.len() > 20, "the sources were not found below {}", root.display());

    files
}
