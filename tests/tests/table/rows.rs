//! The rows.

/// How a row is proven.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Proof {
    /// An image is built on a real engine and looked into, or a real build is refused.
    Engine,
    /// The real command plans or refuses it; nothing need be built.
    Command,
}

/// A required behaviour.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its number: 7 for A07.
    pub(crate) id: u8,
    /// What must happen.
    pub(crate) behaviour: &'static str,
    /// How that is proven.
    pub(crate) proof: Proof,
    /// What of it no machine that tests this has, so that this part is a picture of a plan and its Dockerfile.
    pub(crate) picture: Option<&'static str>,
}

const fn engine(id: u8, behaviour: &'static str) -> Row {
    Row { id, behaviour, proof: Proof::Engine, picture: None }
}

const fn command(id: u8, behaviour: &'static str) -> Row {
    Row { id, behaviour, proof: Proof::Command, picture: None }
}

impl Row {
    const fn picture(self, lacks: &'static str) -> Self {
        Self { picture: Some(lacks), ..self }
    }
}

/// The table.
pub(crate) const ROWS: &[Row] = &[
    engine(1, "A repository without environment files becomes a working server, and the log says there were none."),
    engine(2, "Packages of requirements.txt are a layer below the content, which another README does not touch."),
    engine(3, "An editable install of the repository waits for its files and works."),
    engine(4, "Every form of a local reference in requirements.txt is installed, and further files are followed."),
    engine(5, "A requirements.txt in UTF-16 is read."),
    engine(6, "Files in binder/ are used, and those at the top are not."),
    engine(7, "binder/ and .binder/ together are refused before anything is built, naming both."),
    engine(8, "An empty binder/ gives the default environment, and the log says which files it hides."),
    engine(9, "apt.txt installs what it lists and nothing else, whatever its comments, line ends and pins."),
    engine(10, "What is no package name in apt.txt is refused before anything runs."),
    engine(
        11,
        "postBuild runs after the environment, as the user, among the files; its failure is the build's, by name.",
    ),
    engine(12, "What start exports is seen by every command, from any directory."),
    engine(13, "The exit code of start, or of what it runs, is the container's."),
    engine(14, "runtime.txt gives the Python series it names, or the newest 3.")
        .picture("Pythons that no Debian in reach has"),
    engine(15, "A patch release in runtime.txt pins the series, and the log says so."),
    engine(16, "A runtime.txt that is none is refused with file, line and what may be written."),
    engine(17, "requires-python chooses a Python it allows; where there is none, what there is gets said."),
    engine(18, "Two files that ask for Pythons that exclude each other are refused, naming both."),
    engine(19, "A project without a build system has its dependencies installed and is not built itself."),
    engine(20, "uv.lock is installed to the letter with its workspace, extras and groups; a wrong hash is refused."),
    engine(21, "pylock.toml is installed to the letter, and its hashes are checked."),
    engine(22, "poetry.lock and pdm.lock give their locked main packages."),
    engine(23, ".python-version is honoured."),
    engine(24, "Pipfile.lock wins over its Pipfile and brings the development packages."),
    engine(25, "A Pipfile wins over requirements.txt and setup.py."),
    engine(26, "A path in a Pipfile is taken from where the Pipfile lies."),
    engine(27, "An environment.yml of Python and pip alone installs the pip list and never touches conda."),
    engine(28, "An environment.yml is solved and installed from the channels it names."),
    engine(29, "Every way to ask for a Python in environment.yml is honoured.")
        .picture("conda-forge, for a Python that conda installs"),
    engine(30, "An environment.yml of the wrong shape is refused with its line."),
    engine(31, "An environment.yml wins over requirements.txt, and the log says so."),
    engine(32, "An R in runtime.txt gives that R or a refusal that says which there is; never Python in silence.")
        .picture("CRAN as it was on a day"),
    engine(33, "A DESCRIPTION gives R, its kernel and the package the repository is.")
        .picture("CRAN, for what a package needs and Debian does not have"),
    engine(34, "renv.lock is restored from what the distribution has, and differences are said.")
        .picture("CRAN, for locked packages that Debian does not have"),
    engine(35, "install.R runs among the files and may read them."),
    command(
        36,
        "The newest Julia that every form of compat allows is planned; where none fits, the constraint is said.",
    ),
    command(37, "The Julia of a Manifest.toml wins over compat.")
        .picture("Julia's releases and its registry, for the image"),
    command(38, "A REQUIRE file is refused with what to write instead."),
    engine(39, "A Dockerfile is built over the repository with the user's name and id."),
    engine(40, "An unpinned base, no Jupyter and a root user in a Dockerfile are each warned of."),
    engine(41, "binder/Dockerfile is built, and the one at the top is not."),
    engine(42, "With a target directory the files are there, owned and writable, and the environment is untouched."),
    engine(43, "Another user name and id has that home, name and id, and owns the files."),
    engine(44, "A .dockerignore keeps out what Docker would, but nothing that the plan uses."),
    engine(45, "Labels, image names and lines of JSON are as asked; names that are none are refused."),
    engine(
        46,
        "Every form of ref gives its exact commit, without the history behind it, and hints where there is none.",
    ),
    engine(47, "Submodules are at their recorded commits, and large files are their content."),
    engine(48, "/tmp, the home and root's home are left nearly empty."),
    engine(
        49,
        "Building again runs nothing; equal environments are one image, with equal layers wherever they are built.",
    ),
    engine(50, "Two repositories that share most wheels download them and push their layers once."),
    engine(51, "An appendix runs last and as the user, and its failure is its own."),
    engine(52, "An image is pushed with an account whose password is in no configuration, log or argument."),
    engine(53, "The base keeps the docker-stacks contract."),
];
