//! The record of an image in the image itself: where it came from, and a bill of what is installed in it.

use bindery_core::seams::ContextFile;

use super::Rendered;
use super::context::{FILES, file_mount};
use crate::base::is_image_name;
use crate::plan::BuildPlan;

/// The bill of what is installed in an image, in CycloneDX's JSON form.
pub const BILL_OF_MATERIALS: &str = "/usr/local/share/bindery/bill-of-materials.cdx.json";
/// What an image was made of and how: a provenance without its bill of materials.
pub const PROVENANCE: &str = "/usr/local/share/bindery/provenance.json";

/// The mark of the instruction that writes the bill.
const STEP: &str = "step=record;";
/// The program that writes it.
const RECORD: &str = include_str!("record.py");

/// The Dockerfile that adds to `image` a bill of what is installed in it, as `user` sees it, and leaves everything else as it is. An
/// image without a Python has no bill. `None` where name or user cannot stand in a Dockerfile.
#[must_use]
pub fn render_record(plan: &BuildPlan, image: &str, user: &str) -> Option<Rendered> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':');
    if !is_image_name(image) || !user.chars().all(plain) {
        return None;
    }
    let mut prefixes = vec![plan.contract.prefix.clone()];
    prefixes.extend(plan.kernel_prefix());
    let script = format!(
        "{STEP} set -eu; python=$(command -v python3 || command -v python || true); if [ -z \"$python\" ]; then exit 0; fi; \
         \"$python\" -I -S /dev/shm/bindery/record.py {BILL_OF_MATERIALS} {}",
        prefixes.join(" ")
    );
    // The repository's own Dockerfile may have named another shell.
    let words = serde_json::Value::from(vec!["/bin/sh", "-c", &script]);
    let back = if user.is_empty() { String::new() } else { format!("USER {user}\n") };
    let mount = file_mount("record.py");
    Some(Rendered {
        dockerfile: format!("FROM {image}\nUSER root\nRUN {mount} {words}\n{back}"),
        files: vec![lent("record.py", RECORD.as_bytes())],
        tree_prefix: String::new(),
        ignore_file: None,
        keep: Vec::new(),
        needs_tree: false,
        build_args: Vec::new(),
    })
}

/// The same image with this provenance in it.
#[must_use]
pub fn with_provenance(mut rendered: Rendered, provenance: &[u8]) -> Rendered {
    rendered.dockerfile.push_str(&format!("COPY --chown=0:0 {FILES}/provenance.json {PROVENANCE}\n"));
    rendered.files.push(lent("provenance.json", provenance));
    rendered
}

/// What an instruction of the record is called for people, by the engine's name of it.
#[must_use]
pub fn record_step_name(vertex_name: &str) -> Option<&'static str> {
    if vertex_name.contains(STEP) && vertex_name.contains("/record.py") {
        return Some("list what is installed");
    }
    let copies = vertex_name.contains("] COPY --chown=0:0 ") && vertex_name.ends_with(PROVENANCE);
    copies.then_some("write down where the image comes from")
}

fn lent(name: &str, content: &[u8]) -> ContextFile {
    ContextFile { path: format!("{FILES}/{name}"), content: content.to_vec(), executable: false }
}

#[cfg(test)]
mod tests {
    use bindery_core::MemoryTree;

    use super::{record_step_name, render_record, with_provenance};
    use crate::base::tests::stack;
    use crate::{BuildPlan, PlanOptions, plan};

    fn planned() -> BuildPlan {
        plan(&MemoryTree::new([("requirements.txt", "six\n")]).unwrap(), &stack(), &PlanOptions::default()).unwrap()
    }

    #[test]
    fn the_record_of_an_image_is_one_instruction_that_gives_the_user_back() {
        let rendered = render_record(&planned(), "bindery/env:abc-bare", "1000").unwrap();
        let lines: Vec<&str> = rendered.dockerfile.lines().collect();
        assert_eq!(
            (lines[0], lines[1], lines[3], lines.len()),
            ("FROM bindery/env:abc-bare", "USER root", "USER 1000", 4)
        );
        assert!(record_step_name(lines[2]).is_some() && lines[2].ends_with("/opt/conda\"]"), "{}", lines[2]);
        assert_eq!(record_step_name("[2/3] RUN echo step=record;"), None);
        let rendered = with_provenance(rendered, b"{}");
        assert!(
            rendered
                .dockerfile
                .ends_with("\nCOPY --chown=0:0 .bindery/provenance.json /usr/local/share/bindery/provenance.json\n")
        );
        assert_eq!(rendered.files.len(), 2);
        let copy = format!("[stage-0 4/4] {}", rendered.dockerfile.lines().last().unwrap());
        assert_eq!(record_step_name(&copy), Some("write down where the image comes from"));
    }

    #[test]
    fn a_user_or_a_name_that_is_no_word_of_a_dockerfile_gives_none() {
        for (image, user) in [("a:b", "x\nRUN y"), ("a:b", "$(id)"), ("a b", "1000"), ("a:b\nRUN x", "1000")] {
            assert!(render_record(&planned(), image, user).is_none(), "{image:?} {user:?}");
        }
        assert!(render_record(&planned(), "a:b", "").unwrap().dockerfile.ends_with("]\n"));
    }
}
