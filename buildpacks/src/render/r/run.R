# Runs a repository's install.R. Packages that are already there are not installed again, and one that is asked for and missing
# at the end fails the build: install.packages itself only warns.
#
#     run.R PATH

local({
    path <- commandArgs(trailingOnly = TRUE)[[1]]
    real <- utils::install.packages
    asked <- character()
    is_there <- function(name) nzchar(system.file(package = name))
    wrapped <- function(pkgs, lib, repos = getOption("repos"), ...) {
        rest <- list(...)
        if (!missing(lib)) rest$lib <- lib
        # A file is installed as it is asked for.
        if (missing(pkgs) || is.null(repos) || any(grepl("[/\\\\]", pkgs))) {
            if (!missing(pkgs)) rest <- c(list(pkgs), rest)
            return(invisible(do.call(real, c(rest, list(repos = repos)))))
        }
        there <- vapply(pkgs, is_there, logical(1))
        for (name in pkgs[there]) message(name, " ", utils::packageVersion(name), " is already there")
        asked <<- union(asked, pkgs)
        if (!all(there)) do.call(real, c(list(pkgs[!there]), rest, list(repos = repos)))
        invisible(NULL)
    }
    for (place in list(asNamespace("utils"), as.environment("package:utils"))) {
        unlockBinding("install.packages", place)
        assign("install.packages", wrapped, envir = place)
        lockBinding("install.packages", place)
    }
    source(path, local = globalenv(), encoding = "UTF-8")
    absent <- Filter(function(name) !is_there(name), asked)
    if (length(absent) > 0) {
        message(path, " asks for R packages that could not be installed: ", paste(absent, collapse = ", "))
        quit(status = 1)
    }
})
