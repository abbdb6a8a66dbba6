//! What the flags ask for, checked; and what is warned about or refused, always by name.

use bindery_buildpacks::SessionOptions;

use super::flags::Flags;
use super::ports::{self, Port};
use crate::config::Config;

/// The default number and name of the user, where only one of both is given.
const USER: (&str, u32) = ("jovyan", 1000);

/// What is asked for besides the flags that are passed on as they are.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) session: SessionOptions,
    pub(super) labels: Vec<(String, String)>,
    pub(super) build_args: Vec<(String, String)>,
    /// A repository without environment files is refused.
    pub(super) needs_environment: bool,
    pub(super) ports: Vec<Port>,
    /// What is not done as asked, and does not matter enough to stop.
    pub(super) warnings: Vec<String>,
}

/// A complaint, and the exit code that goes with it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) code: u8,
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self { message, code: 1 }
    }
}

impl Asked {
    /// Checks flags and puts those that are settings of Bindery's into `config`.
    pub(super) fn of(flags: &mut Flags, config: &mut Config) -> Result<Self, Refusal> {
        if flags.build_memory_limit.is_some() {
            let message = "--build-memory-limit was removed: limit the engine that builds instead.".to_owned();
            return Err(Refusal { message, code: 255 });
        }
        if flags.config.is_some() {
            let hint = "Name a TOML file of Bindery's settings in BINDERY_CONFIG";
            return Err(
                format!("--config: repo2docker's configuration is a Python program and is not run. {hint}.").into()
            );
        }
        if let Some(engine) = flags.engine.as_deref().filter(|engine| *engine != "docker") {
            return Err(format!("--engine: only docker is offered, not {engine:?}.").into());
        }
        let mut asked = Self {
            session: SessionOptions::default(),
            labels: pairs("--label", &flags.labels)?,
            build_args: pairs("--build-arg", &flags.build_args)?,
            needs_environment: false,
            ports: flags.publish.iter().map(|text| ports::parse(text)).collect::<Result<_, String>>()?,
            warnings: Vec::new(),
        };
        for setting in std::mem::take(&mut flags.traits) {
            asked.apply(&setting, flags, config)?;
        }
        if !flags.cache_from.is_empty() {
            asked
                .warnings
                .push("--cache-from has no effect: layers and downloads are shared by what they hold.".to_owned());
        }
        asked.settle_session(flags)?;
        asked.check_run(flags)?;
        Ok(asked)
    }

    /// One `Class.trait=value`.
    fn apply(&mut self, setting: &str, flags: &mut Flags, config: &mut Config) -> Result<(), Refusal> {
        let Some((name, value)) = setting.split_once('=') else {
            return Err(format!("--{setting} needs its value behind an equals sign.").into());
        };
        let text = Some(value.to_owned());
        // A flag wins over the trait it stands for.
        match name {
            "Repo2Docker.base_image" => value.clone_into(&mut config.build.base_image),
            "Repo2Docker.platform" => value.clone_into(&mut config.build.platform),
            "Repo2Docker.ref" => flags.reference = flags.reference.take().or(text),
            "Repo2Docker.subdir" => flags.subdir = flags.subdir.take().or(text),
            "Repo2Docker.target_repo_dir" => flags.target_repo_dir = flags.target_repo_dir.take().or(text),
            "Repo2Docker.appendix" => flags.appendix = flags.appendix.take().or(text),
            "Repo2Docker.user_name" => flags.user_name = flags.user_name.take().or(text),
            "Repo2Docker.user_id" => {
                let id = value.parse().map_err(|_| format!("--{name}: {value:?} is not a number."))?;
                flags.user_id = flags.user_id.or(Some(id));
            }
            "Repo2Docker.output_image_spec" => {
                let image = value.parse().map_err(|error| format!("--{name}: {error}"))?;
                flags.image_name = flags.image_name.take().or(Some(image));
            }
            "Repo2Docker.default_buildpack" if value == "None" => self.needs_environment = true,
            "Repo2Docker.git_workdir" | "Repo2Docker.cleanup_checkout" => {
                self.warnings.push(format!("--{name} has no effect: nothing is checked out."));
            }
            "ContainerEngine.registry_credentials" | "DockerEngine.registry_credentials" => {
                let hint = "Put the account into CONTAINER_ENGINE_REGISTRY_CREDENTIALS";
                return Err(format!("--{name}: everybody on this machine can read arguments. {hint}.").into());
            }
            _ => return Err(format!("--{name} is not offered.").into()),
        }
        Ok(())
    }

    fn settle_session(&mut self, flags: &Flags) -> Result<(), Refusal> {
        let mut session = SessionOptions::default();
        // A dry run may be one of a program that is root.
        if (flags.user_name.is_some() || flags.user_id.is_some()) && !(flags.no_build && flags.user_id == Some(0)) {
            let (name, id) = (flags.user_name.as_deref().unwrap_or(USER.0), flags.user_id.unwrap_or(USER.1));
            session = session.user(name, id).map_err(|error| format!("--user-id, --user-name: {error}"))?;
        }
        if let Some(directory) = &flags.target_repo_dir {
            session = session.directory(directory).map_err(|error| format!("--target-repo-dir: {error}"))?;
        }
        self.session = session.appendix(flags.appendix.clone().unwrap_or_default());
        Ok(())
    }

    fn check_run(&mut self, flags: &Flags) -> Result<(), Refusal> {
        if !flags.runs() {
            let given = [
                ("--volume", !flags.volumes.is_empty()),
                ("--env", !flags.environment.is_empty()),
                ("--publish", !flags.publish.is_empty()),
                ("--publish-all", flags.publish_all),
                ("--editable", flags.editable),
            ];
            if let Some((name, _)) = given.iter().find(|(_, given)| *given) {
                return Err(format!("{name} is about a container that runs, and none is run.").into());
            }
            if !flags.command.is_empty() {
                self.warnings.push(format!("{:?} is not run.", flags.command.join(" ")));
            }
        }
        if flags.command.is_empty() && (self.ports.len() > 1 || flags.publish_all) {
            return Err("Several ports need a command to run: the notebook server has one.".to_owned().into());
        }
        let directory = flags.repo.as_deref().is_some_and(|repo| std::path::Path::new(repo).is_dir());
        if flags.editable && !directory {
            return Err("--editable needs a directory of this machine.".to_owned().into());
        }
        Ok(())
    }
}

fn pairs(flag: &str, given: &[String]) -> Result<Vec<(String, String)>, String> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{flag} takes NAME=VALUE, not {text:?}.")),
    };
    given.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::{Asked, Refusal};
    use crate::commands::repo2docker::flags::Flags;
    use crate::config::Config;

    fn asked(line: &str) -> Result<(Asked, Flags, Config), Refusal> {
        let mut flags = Flags::read(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).unwrap();
        let mut config = Config::default();
        Asked::of(&mut flags, &mut config).map(|asked| (asked, flags, config))
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        for (line, name) in [
            ("--config c.py .", "--config"),
            ("--engine podman .", "--engine"),
            ("--Repo2Docker.swh_token=x .", "Repo2Docker.swh_token"),
            ("--Repo2Docker.ref .", "Repo2Docker.ref"),
            ("--ContainerEngine.registry_credentials={} .", "CONTAINER_ENGINE_REGISTRY_CREDENTIALS"),
            ("--user-id 0 --user-name ada .", "Root"),
            ("--target-repo-dir relative .", "--target-repo-dir"),
            ("--label x .", "--label"),
            ("--build-arg =x .", "--build-arg"),
            ("--no-run -v a:b .", "--volume"),
            ("--no-run -e A .", "--env"),
            ("--no-build -P .", "--publish-all"),
            ("-p 1:2 -p 3:4 .", "Several ports"),
            ("-p 99999:1 .", "99999"),
            ("-E https://example.org/x", "--editable"),
            ("--no-run -E .", "--editable"),
        ] {
            let refusal = asked(line).unwrap_err();
            assert!(refusal.message.contains(name), "{line}: {}", refusal.message);
            assert_eq!(refusal.code, 1);
        }
        assert_eq!(asked("--build-memory-limit 1G .").unwrap_err().code, 255);
    }

    #[test]
    fn what_has_no_effect_is_warned_about_by_name() {
        let (asked, ..) = asked("--no-run --cache-from x --Repo2Docker.git_workdir=/tmp . echo hi").unwrap();
        for name in ["--cache-from", "Repo2Docker.git_workdir", "echo hi"] {
            assert!(asked.warnings.iter().any(|warning| warning.contains(name)), "{:?}", asked.warnings);
        }
    }

    #[test]
    fn traits_are_settings_and_flags_win_over_them() {
        let line = "--Repo2Docker.base_image=b --Repo2Docker.user_id=7 --Repo2Docker.ref=x --ref y --Repo2Docker.default_buildpack=None .";
        let (asked, flags, config) = asked(line).unwrap();
        assert_eq!((config.build.base_image.as_str(), flags.reference.as_deref()), ("b", Some("y")));
        assert_eq!(flags.user_id, Some(7));
        assert!(asked.needs_environment);
    }
}
