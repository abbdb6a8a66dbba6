# Installs the packages of a list that are not there yet, and says where versions differ from a lock file.
#
#     packages.R LIST
#
# A line of the list is a name, the least version or nothing, the locked version or nothing, and `required` or `wanted`, with tabs
# between them. A required package that is missing at the end fails the build; a wanted one is left to the program that asks for it.

list <- commandArgs(trailingOnly = TRUE)[[1]]
wanted <- utils::read.delim(list, header = FALSE, colClasses = "character", quote = "", comment.char = "", na.strings = character())
names(wanted) <- c("name", "least", "locked", "need")

installed <- function(name) {
    # Looks the version up without loading the package.
    tryCatch(as.character(utils::packageVersion(name)), error = function(e) NA_character_)
}
lacks <- function(name, least) {
    version <- installed(name)
    is.na(version) || (nzchar(least) && utils::compareVersion(version, least) < 0)
}
lacking <- function() wanted[mapply(lacks, wanted$name, wanted$least), ]

first <- lacking()
if (nrow(first) > 0) {
    message("From ", getOption("repos")[["CRAN"]], ": ", paste(first$name, collapse = ", "))
    # Anything that goes wrong here shows in what is missing afterwards.
    tryCatch(
        utils::install.packages(first$name, Ncpus = min(4L, max(1L, parallel::detectCores(), na.rm = TRUE))),
        error = function(e) message(conditionMessage(e))
    )
}

for (i in seq_len(nrow(wanted))) {
    version <- installed(wanted$name[[i]])
    if (!is.na(version) && nzchar(wanted$locked[[i]]) && utils::compareVersion(version, wanted$locked[[i]]) != 0) {
        message(wanted$name[[i]], ": ", version, " is installed; the lock file says ", wanted$locked[[i]])
    }
}

left <- lacking()
required <- left[left$need == "required", ]
if (nrow(required) > 0) {
    least <- ifelse(nzchar(required$least), paste0(" (", required$least, " or newer)"), "")
    message(
        "These R packages could not be installed: ", paste0(required$name, least, collapse = ", "),
        ". Neither the image's distribution nor ", getOption("repos")[["CRAN"]], " has them, or their installation failed above."
    )
    quit(status = 1)
}
if (nrow(left) > 0) {
    message("Left to the repository's own program: ", paste(left$name, collapse = ", "))
}
