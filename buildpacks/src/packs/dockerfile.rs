//! The repository's own Dockerfile, which decides everything itself.

use super::{Draft, Pack};
use crate::error::{BAD_FILE, DOCKERFILE, PlanError};
use crate::parse;
use crate::plan::{Action, DockerfilePolicy, Step};
use crate::repo::{EnvFile, Repo};

pub(crate) struct Dockerfile;

impl Pack for Dockerfile {
    fn name(&self) -> &'static str {
        "dockerfile"
    }

    fn files(&self) -> &'static [&'static str] {
        &["Dockerfile"]
    }

    fn plan(&self, repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
        let Some(file) = repo.file("Dockerfile")? else { return Ok(()) };
        decide(repo, file, draft)
    }
}

/// Lets a Dockerfile decide the whole image, if the site's policy lets it.
pub(crate) fn decide(repo: &Repo<'_>, file: EnvFile, draft: &mut Draft) -> Result<(), PlanError> {
    draft.uses(&file.path, "the whole image");
    let checked = match draft.dockerfiles.policy {
        DockerfilePolicy::None => return Err(refused(&file.path)),
        DockerfilePolicy::Safe => parse::dockerfile::check(&file.path, &file.bytes, &draft.dockerfiles.bases)?,
        DockerfilePolicy::Full => match parse::dockerfile::check(&file.path, &file.bytes, &[]) {
            Ok(checked) => checked,
            Err(PlanError::File { code: DOCKERFILE | BAD_FILE, line, message, .. }) => {
                let place = line.map_or_else(|| file.path.clone(), |line| format!("{}:{line}", file.path));
                draft.as_it_stands = true;
                draft.notes.push(format!("{place}: {message} This site builds it all the same, as it stands."));
                parse::dockerfile::Checked::default()
            }
            Err(error) => return Err(error),
        },
    };
    // The nearest to the Dockerfile; the engine knows the first and the last.
    let beside = format!("{}.dockerignore", file.path);
    draft.ignore_file = repo.first(&[beside, repo.path(".dockerignore"), ".dockerignore".to_owned()])?;
    if let Some(path) = draft.ignore_file.clone() {
        draft.uses(path, "what stays out of the build context");
    }
    draft.notes.extend(checked.warnings);
    for (number, (step, shown, line)) in checked.steps.into_iter().enumerate() {
        draft.steps.push(Step {
            id: format!("dockerfile-{}", number + 1),
            name: shown.clone(),
            run: shown,
            action: Action::Dockerfile(step),
            needs_content: true,
            file: Some(file.path.clone()),
            line: Some(line),
        });
    }
    draft.dockerfile = Some(file.path);
    Ok(())
}

fn refused(file: &str) -> PlanError {
    let message = "This site does not build repositories that have a Dockerfile of their own.";
    let hint = "Describe the environment with requirements.txt, environment.yml, apt.txt and postBuild instead.";
    PlanError::file(file, message, hint).coded(DOCKERFILE)
}

#[cfg(test)]
mod tests {
    use bindery_core::{Fault, MemoryTree};

    use crate::base::tests::stack;
    use crate::{BuildPlan, DockerfilePolicy, DockerfileRules, PlanOptions, plan, render_dockerfile_repo};

    fn judge(files: &[(&str, &str)], policy: DockerfilePolicy, bases: &[&str]) -> Result<BuildPlan, Fault> {
        let bases = bases.iter().map(|base| (*base).to_owned()).collect();
        let options =
            PlanOptions { ca_bundle: true, dockerfiles: DockerfileRules { policy, bases }, ..PlanOptions::default() };
        let tree = MemoryTree::new(files.iter().copied()).unwrap();
        let plan = plan(&tree, &stack(), &options)?;
        render_dockerfile_repo(&plan, &tree)?;
        Ok(plan)
    }

    const ORDINARY: (&str, &str) = ("Dockerfile", "FROM jupyter/x:1\nCOPY . /x\n");
    const UNSAFE: (&str, &str) = ("Dockerfile", "# syntax=docker/dockerfile:1\nFROM jupyter/x:1\nCOPY . /x\n");

    #[test]
    fn a_site_may_build_no_dockerfiles_and_says_so() {
        let fault = judge(&[ORDINARY], DockerfilePolicy::None, &[]).unwrap_err();
        assert_eq!((fault.code.as_str(), fault.place().as_deref()), ("dockerfile-refused", Some("Dockerfile")));
        assert!(fault.hint.unwrap().contains("requirements.txt"));
        assert!(
            judge(&[("requirements.txt", "six")], DockerfilePolicy::None, &[]).is_err(),
            "it has no Dockerfile to render"
        );
    }

    #[test]
    fn the_ordinary_site_builds_what_is_safe_and_refuses_the_rest_with_its_line() {
        let plan = judge(&[ORDINARY], DockerfilePolicy::Safe, &[]).unwrap();
        assert!(plan.ca_bundle && !plan.as_it_stands && !plan.steps.is_empty());
        let fault = judge(&[UNSAFE], DockerfilePolicy::Safe, &[]).unwrap_err();
        assert_eq!(fault.place().as_deref(), Some("Dockerfile:1"));
        let fault = judge(&[ORDINARY], DockerfilePolicy::Safe, &["debian"]).unwrap_err();
        assert_eq!(fault.place().as_deref(), Some("Dockerfile:1"));
    }

    #[test]
    fn a_site_may_build_all_and_lends_nothing_to_what_is_not_safe() {
        let plan = judge(&[ORDINARY], DockerfilePolicy::Full, &[]).unwrap();
        assert!(plan.ca_bundle && !plan.as_it_stands, "what is safe is built as ever");
        let plan = judge(&[UNSAFE], DockerfilePolicy::Full, &[]).unwrap();
        assert!(plan.as_it_stands && !plan.ca_bundle);
        assert!(plan.notes.iter().any(|note| note.starts_with("Dockerfile:1: ") && note.contains("as it stands")));
        let tree = MemoryTree::new([UNSAFE]).unwrap();
        let rendered = render_dockerfile_repo(&plan, &tree).unwrap();
        assert_eq!((rendered.dockerfile.as_str(), rendered.tree_prefix.as_str()), (UNSAFE.1, ""));
        // What is no text at all is nobody's Dockerfile.
        assert!(judge(&[("Dockerfile", "\0")], DockerfilePolicy::Full, &[]).is_err());
    }

    #[test]
    fn a41_a_dockerfile_in_the_configuration_directory_hides_the_one_at_the_top() {
        for directory in ["binder", ".binder"] {
            let path = format!("{directory}/Dockerfile");
            let files = [(path.as_str(), ORDINARY.1), ("Dockerfile", "FROM x\nRUN exit 1\n")];
            let plan = judge(&files, DockerfilePolicy::Safe, &[]).unwrap();
            assert_eq!(plan.dockerfile.as_deref(), Some(path.as_str()));
            assert_eq!(plan.ignored.iter().map(|it| it.file.as_str()).collect::<Vec<_>>(), ["Dockerfile"]);
        }
    }

    #[test]
    fn a44_the_nearest_dockerignore_is_used_and_named() {
        let all = ["binder/Dockerfile.dockerignore", "binder/.dockerignore", ".dockerignore"];
        for (number, expected) in all.iter().enumerate() {
            let mut files = vec![("binder/Dockerfile", ORDINARY.1)];
            files.extend(all[number..].iter().map(|path| (*path, "x\n")));
            let plan = judge(&files, DockerfilePolicy::Safe, &[]).unwrap();
            assert_eq!(plan.ignore_file.as_deref(), Some(*expected));
            assert!(plan.used.iter().any(|used| used.file == *expected));
        }
        let mut tree = MemoryTree::new([ORDINARY]).unwrap();
        tree.insert(".dockerignore", bindery_core::EntryKind::Symlink, b"/etc/canary").unwrap();
        let fault = Fault::from(plan(&tree, &stack(), &PlanOptions::default()).unwrap_err());
        assert_eq!(
            (fault.code.as_str(), fault.file.as_deref()),
            ("environment-file-not-regular", Some(".dockerignore"))
        );
    }
}
