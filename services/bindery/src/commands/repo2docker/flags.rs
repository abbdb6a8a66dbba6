//! The flags of `jupyter-repo2docker`, as BinderHub and scripts write them.

use std::ffi::OsString;
use std::path::Path;

use bindery_core::{AsOf, ImageName};
use clap::{ArgAction, Parser};

/// How `--Class.trait=value` is handed through the parser of flags.
const TRAIT: &str = "--bindery-trait=";

/// Builds a repository's image, and runs it: the command line of jupyter-repo2docker on Bindery.
///
/// What a flag asks for is done, or refused by name. Settings of Bindery's own come from its configuration file and environment, as for
/// every other command.
#[derive(Debug, Parser)]
#[command(name = "repo2docker", bin_name = "bindery repo2docker", disable_version_flag = true, infer_long_args = true)]
pub(crate) struct Flags {
    /// A directory, a repository's address, or gh/OWNER/NAME.
    #[arg(value_name = "REPO", required_unless_present = "version")]
    pub(crate) repo: Option<String>,
    /// What to run in the container instead of a notebook server.
    #[arg(value_name = "CMD", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
    /// A branch, tag or commit.
    #[arg(long = "ref", value_name = "REF")]
    pub(crate) reference: Option<String>,
    /// Install the packages that could be had on this day, or on the day of the `commit`.
    #[arg(long, value_name = "DATE|commit")]
    pub(crate) as_of: Option<AsOf>,
    /// The image's name. Default: one made of the repository and commit.
    #[arg(long, alias = "image", value_name = "NAME")]
    pub(crate) image_name: Option<ImageName>,
    /// Build the image; the default.
    #[arg(long, overrides_with = "no_build")]
    build: bool,
    /// Only print the Dockerfile, on standard output; needs no engine.
    #[arg(long, overrides_with = "build")]
    pub(crate) no_build: bool,
    /// Run the image after the build, until Ctrl-C; the default.
    #[arg(long, overrides_with = "no_run")]
    run: bool,
    /// Do not run the image.
    #[arg(long, overrides_with = "run")]
    no_run: bool,
    /// Push the image to the registry that its name begins with.
    #[arg(long, overrides_with = "no_push")]
    push: bool,
    /// Do not push the image; the default.
    #[arg(long, overrides_with = "push")]
    no_push: bool,
    /// Has no effect: nothing is checked out, so nothing is left to clean up.
    #[arg(long, overrides_with = "no_clean")]
    clean: bool,
    /// Has no effect: nothing is checked out.
    #[arg(long, overrides_with = "clean")]
    no_clean: bool,
    /// Progress as lines of JSON on standard error, each with `phase` and `message`.
    #[arg(long)]
    pub(crate) json_logs: bool,
    /// The number of the notebook's user. Default: the base image's.
    #[arg(long, value_name = "ID")]
    pub(crate) user_id: Option<u32>,
    /// The name of the notebook's user. Default: the base image's.
    #[arg(long, value_name = "NAME")]
    pub(crate) user_name: Option<String>,
    /// Take this directory of the repository for the whole.
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) subdir: Option<String>,
    /// A label of the image.
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub(crate) labels: Vec<String>,
    /// An argument for the repository's own Dockerfile.
    #[arg(long = "build-arg", value_name = "NAME=VALUE")]
    pub(crate) build_args: Vec<String>,
    /// An environment variable of the container: with its value, or only its name to copy it from here.
    #[arg(long = "env", short = 'e', value_name = "NAME[=VALUE]")]
    pub(crate) environment: Vec<String>,
    /// A directory or volume to mount: `SOURCE:TARGET[:ro]`.
    #[arg(long = "volume", short = 'v', value_name = "SOURCE:TARGET")]
    pub(crate) volumes: Vec<String>,
    /// A port to publish: `[[ADDRESS:]PORT:]CONTAINER-PORT[/udp]`. On loopback unless an address is named.
    #[arg(long = "publish", short = 'p', value_name = "PORT:PORT")]
    pub(crate) publish: Vec<String>,
    /// Publish every port that the image names.
    #[arg(long, short = 'P')]
    pub(crate) publish_all: bool,
    /// Mount the directory REPO over its copy in the container, so that changes are seen at once.
    #[arg(long, short = 'E')]
    pub(crate) editable: bool,
    /// Where in the image the repository goes. Default: the home directory.
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) target_repo_dir: Option<String>,
    /// Instructions of a Dockerfile to put behind everything else.
    #[arg(long, value_name = "TEXT")]
    pub(crate) appendix: Option<String>,
    /// Has no effect: layers and downloads are shared by what they hold.
    #[arg(long, value_name = "IMAGE")]
    pub(crate) cache_from: Vec<String>,
    /// Which engine builds: only `docker`, at DOCKER_HOST or images.docker_host.
    #[arg(long, value_name = "NAME")]
    pub(crate) engine: Option<String>,
    /// Refused: repo2docker's configuration is a Python program. Bindery's is named by BINDERY_CONFIG.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<String>,
    /// Log more.
    #[arg(long)]
    pub(crate) debug: bool,
    /// Print the version.
    #[arg(long)]
    pub(crate) version: bool,
    /// Print this help.
    #[arg(long, action = ArgAction::Help)]
    help_all: Option<bool>,
    /// Gone from repo2docker too.
    #[arg(long, hide = true)]
    pub(crate) build_memory_limit: Option<String>,
    /// `Class.trait=value`.
    #[arg(long = "bindery-trait", hide = true)]
    pub(crate) traits: Vec<String>,
}

impl Flags {
    /// Reads the arguments that follow the command's name.
    ///
    /// # Errors
    /// A flag that is not one, or a value that cannot be: to be shown as it is.
    pub(crate) fn read(arguments: &[String]) -> Result<Self, clap::Error> {
        let handed = arguments.iter().map(|argument| match argument.strip_prefix("--") {
            Some(rest) if is_trait(rest) => format!("{TRAIT}{rest}"),
            _ => argument.clone(),
        });
        let mut flags = Self::try_parse_from(std::iter::once("repo2docker".to_owned()).chain(handed))?;
        // What belongs to the command that is run is left as it was.
        for word in &mut flags.command {
            if let Some(own) = word.strip_prefix(TRAIT) {
                *word = format!("--{own}");
            }
        }
        Ok(flags)
    }

    /// Whether the image is run.
    pub(crate) const fn runs(&self) -> bool {
        !self.no_run && !self.no_build
    }

    /// Whether the image is pushed.
    pub(crate) const fn pushes(&self) -> bool {
        self.push && !self.no_build
    }
}

/// `Repo2Docker.base_image=x`: a class, a point, a trait.
fn is_trait(text: &str) -> bool {
    let name = text.split('=').next().unwrap_or_default();
    let Some((class, attribute)) = name.split_once('.') else { return false };
    let word =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    class.starts_with(|c: char| c.is_ascii_uppercase()) && word(class) && word(attribute)
}

/// Marks where the arguments of `repo2docker` begin, so that the flags of other commands are not looked for among them. A program that is
/// called by the name of repo2docker is that command.
pub(crate) fn mark(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let called = arguments.first().and_then(|name| Path::new(name).file_stem()).and_then(|name| name.to_str());
    if matches!(called, Some("repo2docker" | "jupyter-repo2docker")) {
        arguments.splice(1..1, ["repo2docker".into(), "--".into()]);
        return arguments;
    }
    let mut at = 1;
    while let Some(argument) = arguments.get(at).and_then(|argument| argument.to_str()) {
        match argument {
            "--config" | "-c" | "--set" => at += 2,
            "repo2docker" => {
                arguments.insert(at + 1, "--".into());
                break;
            }
            option if option.starts_with('-') => at += 1,
            _ => break,
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::{Flags, mark};

    fn read(line: &str) -> Flags {
        Flags::read(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_call_of_binderhub_is_understood() {
        let flags = read(
            "--ref=0123456789012345678901234567890123456789 --image=registry.example.org/prefix-x:abc --no-clean --no-run --json-logs \
             --user-name=jovyan --user-id=1000 --push https://example.org/owner/name",
        );
        assert_eq!(flags.repo.as_deref(), Some("https://example.org/owner/name"));
        assert_eq!(flags.image_name.as_ref().unwrap().as_str(), "registry.example.org/prefix-x:abc");
        assert_eq!((flags.user_id, flags.user_name.as_deref()), (Some(1000), Some("jovyan")));
        assert!(flags.json_logs && flags.pushes() && !flags.runs());
    }

    #[test]
    fn the_last_of_two_contrary_flags_counts_and_a_flag_may_be_shortened() {
        assert!(!read("--push --no-push .").pushes() && read("--no-push --push .").pushes());
        assert!(
            read("--no-run --run .").runs() && !read("--no-build .").runs() && !read("--no-build --push .").pushes()
        );
        assert_eq!(read("--user-i 5 .").user_id, Some(5));
    }

    #[test]
    fn what_follows_the_repository_is_the_command() {
        let flags = read("-e A -e B=1 --Repo2Docker.base_image=x . jupyter lab --ServerApp.token=y -e z");
        assert_eq!(flags.command, ["jupyter", "lab", "--ServerApp.token=y", "-e", "z"]);
        assert_eq!(
            (flags.traits.as_slice(), flags.environment.len()),
            (["Repo2Docker.base_image=x".to_owned()].as_slice(), 2)
        );
    }

    #[test]
    fn names_no_registry_takes_are_refused() {
        for name in ["Upper", "a//b", "a/", "/a", "a:", "a:-x", "a b", "_a", "a:b:c", "a$(id)"] {
            let error = Flags::read(&["--image-name".to_owned(), name.to_owned(), ".".to_owned()]).unwrap_err();
            assert!(error.to_string().contains("image"), "{name}: {error}");
        }
    }

    #[test]
    fn the_arguments_of_the_command_are_kept_apart() {
        let marked = |line: &str| {
            let words = mark(line.split(' ').map(Into::into).collect());
            words.iter().map(|word| word.to_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(marked("bindery repo2docker --json-logs ."), "bindery repo2docker -- --json-logs .");
        assert_eq!(
            marked("bindery --config a --set b=c repo2docker ."),
            "bindery --config a --set b=c repo2docker -- ."
        );
        assert_eq!(
            marked("/usr/bin/jupyter-repo2docker --no-run ."),
            "/usr/bin/jupyter-repo2docker repo2docker -- --no-run ."
        );
        assert_eq!(marked("bindery plan repo2docker"), "bindery plan repo2docker");
    }
}
