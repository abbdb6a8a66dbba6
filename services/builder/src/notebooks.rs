//! What can be shown of a repository's notebooks while it is built: their text, their code and what it printed. Pictures, scripts and
//! markup are left behind here, so that nothing else of a notebook ever reaches a browser by this way.

use bindery_core::{EntryKind, Tree};
use serde_json::{Value, json};

/// The largest file that is read; much of one may be pictures.
const FILE_BYTES: u64 = 4 * 1024 * 1024;
/// How many bytes of files are read in all.
const READ_BYTES: u64 = 32 * 1024 * 1024;
/// How many notebooks are kept.
const NOTEBOOKS: usize = 30;
/// Cells of each.
const CELLS: usize = 200;
/// Bytes of text of a cell or an output, of a notebook, and of all together.
const TEXT_BYTES: usize = 8 * 1024;
const NOTEBOOK_BYTES: usize = 64 * 1024;
const ALL_BYTES: usize = 160 * 1024;

/// By path: language, cells, and whether there is more than is kept. `None` where there is no notebook that can be read. Those near
/// the top come first. Reads files, so it may wait.
pub(crate) fn previews(tree: &dyn Tree) -> Option<Value> {
    let is_notebook = |kind: EntryKind, path: &str| kind.is_file() && path.ends_with(".ipynb");
    let mut files: Vec<_> =
        tree.entries().iter().filter(|entry| is_notebook(entry.kind, entry.path.as_str())).collect();
    files.sort_by_key(|entry| (entry.path.as_str().matches('/').count(), entry.path.as_str().to_owned()));
    let (mut kept, mut to_read, mut left) = (serde_json::Map::new(), READ_BYTES, ALL_BYTES);
    for entry in files {
        if kept.len() == NOTEBOOKS || left == 0 {
            break;
        }
        if entry.size > FILE_BYTES || entry.size > to_read {
            continue;
        }
        to_read -= entry.size;
        let path = entry.path.as_str();
        // One that cannot be read is no reason to build nothing.
        let Ok(bytes) = tree.read(path, FILE_BYTES) else { continue };
        let mut room = Room { left: left.min(NOTEBOOK_BYTES), cut: false };
        let before = room.left;
        if let Some(notebook) = preview(&bytes, &mut room) {
            left -= before - room.left;
            kept.insert(path.to_owned(), notebook);
        }
    }
    (!kept.is_empty()).then_some(Value::Object(kept))
}

/// How much more is kept.
struct Room {
    left: usize,
    cut: bool,
}

impl Room {
    /// As much of `text` as there is room for.
    fn take(&mut self, text: &str) -> String {
        let most = self.left.min(TEXT_BYTES);
        let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.cut |= end < text.len();
        self.left -= end;
        text.get(..end).unwrap_or_default().to_owned()
    }
}

fn preview(bytes: &[u8], room: &mut Room) -> Option<Value> {
    let notebook: Value = serde_json::from_slice(bytes).ok()?;
    let all = notebook.get("cells")?.as_array()?;
    let mut cells = Vec::new();
    for cell in all {
        if cells.len() == CELLS || room.left == 0 {
            room.cut = true;
            break;
        }
        let text = |room: &mut Room| room.take(&lines(cell.get("source")));
        match cell.get("cell_type").and_then(Value::as_str) {
            Some("markdown") => cells.push(json!({"kind": "markdown", "text": text(room)})),
            Some("code") => {
                let text = text(room);
                let outputs = cell.get("outputs").and_then(Value::as_array).into_iter().flatten();
                let outputs: Vec<String> = outputs
                    .filter_map(output)
                    .filter(|text| !text.trim().is_empty())
                    .map(|text| room.take(&text))
                    .collect();
                cells.push(json!({"kind": "code", "text": text, "outputs": outputs}));
            }
            _ => {}
        }
    }
    let language = ["/metadata/kernelspec/language", "/metadata/language_info/name"];
    let language = language.iter().find_map(|at| notebook.pointer(at)?.as_str()).map(|name| room.take(name));
    Some(json!({"language": language, "cells": cells, "cut": room.cut}))
}

/// What an output says in plain text.
fn output(output: &Value) -> Option<String> {
    match output.get("output_type")?.as_str()? {
        "stream" => Some(lines(output.get("text"))),
        "execute_result" | "display_data" => Some(lines(output.pointer("/data/text~1plain"))),
        "error" => {
            let part = |key: &str| output.get(key).and_then(Value::as_str).unwrap_or_default();
            Some(format!("{}: {}", part("ename"), part("evalue")))
        }
        _ => None,
    }
}

/// Text as notebooks have it: whole, or as a list of its lines with their ends.
fn lines(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(lines)) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use bindery_core::MemoryTree;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{ALL_BYTES, NOTEBOOK_BYTES, NOTEBOOKS, TEXT_BYTES, previews};

    fn tree(files: &[(&str, String)]) -> MemoryTree {
        MemoryTree::new(files.iter().map(|(path, content)| (path, content.as_bytes()))).unwrap()
    }

    fn of(content: impl Into<String>) -> Option<Value> {
        previews(&tree(&[("a.ipynb", content.into())])).map(|all| all["a.ipynb"].clone())
    }

    #[test]
    fn text_code_and_what_it_printed_are_kept_and_nothing_else() {
        let notebook = json!({
            "metadata": {"kernelspec": {"language": "julia"}, "widgets": {"x": "<script>"}},
            "cells": [
                {"cell_type": "markdown", "source": ["# A\n", "text"], "attachments": {"a.png": {"image/png": "AAAA"}}},
                {"cell_type": "raw", "source": "raw"},
                {"cell_type": "code", "source": "1 + 1", "outputs": [
                    {"output_type": "stream", "name": "stdout", "text": ["one\n", "two"]},
                    {"output_type": "execute_result", "data": {"text/plain": "2", "text/html": "<b>2</b>", "image/png": "AAAA"}},
                    {"output_type": "display_data", "data": {"image/png": "AAAA"}},
                    {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["x"]},
                    {"output_type": "other"}, 3,
                ]},
                {"cell_type": "code", "source": 7}, "x",
            ],
        });
        let expected = json!({"language": "julia", "cut": false, "cells": [
            {"kind": "markdown", "text": "# A\ntext"},
            {"kind": "code", "text": "1 + 1", "outputs": ["one\ntwo", "2", "ValueError: no"]},
            {"kind": "code", "text": "", "outputs": []},
        ]});
        assert_eq!(of(notebook.to_string()), Some(expected));
    }

    #[test]
    fn what_is_no_notebook_is_not_shown() {
        for content in ["", "{}", "[]", "{\"cells\": 1}", "{\"cells\": [", "\u{0}"] {
            assert_eq!(of(content), None, "{content:?}");
        }
        assert_eq!(previews(&tree(&[("a.py", "{\"cells\": []}".to_owned())])), None);
    }

    #[test]
    fn however_much_there_is_little_is_kept_and_said_to_be_cut() {
        let long = |cells: usize, text: String| {
            let cell = json!({"cell_type": "markdown", "source": text});
            json!({"cells": vec![cell; cells]}).to_string()
        };
        let one = of(long(1, "\u{e4}".repeat(TEXT_BYTES))).unwrap();
        assert_eq!((one["cells"][0]["text"].as_str().unwrap().len(), &one["cut"]), (TEXT_BYTES, &json!(true)));
        let many = of(long(1000, "x".to_owned())).unwrap();
        assert_eq!((many["cells"].as_array().unwrap().len(), &many["cut"]), (200, &json!(true)));
        let big = of(long(100, "x".repeat(TEXT_BYTES))).unwrap();
        assert!(big.to_string().len() < NOTEBOOK_BYTES * 2, "{}", big.to_string().len());
        let names: Vec<String> = (0..100).map(|number| format!("dir/{number:03}.ipynb")).collect();
        let mut files: Vec<_> = names.iter().map(|name| (name.as_str(), long(3, "x".repeat(1000)))).collect();
        files.push(("index.ipynb", long(1, "first".to_owned())));
        let all = previews(&tree(&files)).unwrap();
        assert!(all.as_object().unwrap().len() <= NOTEBOOKS && all.get("index.ipynb").is_some(), "the top comes first");
        assert!(all.to_string().len() < ALL_BYTES * 2);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,60}") {
            let _ = previews(&MemoryTree::new([("a.ipynb", &bytes)]).unwrap());
            let notebook = json!({"cells": [{"cell_type": "code", "source": text, "outputs": [text]}]});
            prop_assert!(of(notebook.to_string()).is_some());
        }
    }
}
