//! Whether there is room for another build.

use std::path::Path;

use rustix::fs::{StatVfs, statvfs};

use crate::{Config, ImagesError};

/// Refuses when the disk that holds `path` has less free than the configuration asks, in bytes, percent or inodes.
/// A disk that cannot be measured is not refused: the engine will say when it is full.
pub(crate) fn check(path: &Path, config: &Config) -> Result<(), ImagesError> {
    match statvfs(path) {
        Ok(disk) => judge(&Room::from(&disk), config).map_err(ImagesError::DiskFull),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot measure the free disk space");
            Ok(())
        }
    }
}

struct Room {
    free_bytes: u64,
    usable_bytes: u64,
    free_inodes: u64,
    inodes: u64,
}

impl From<&StatVfs> for Room {
    fn from(disk: &StatVfs) -> Self {
        // What is reserved for root is neither free nor usable for a build, so it counts on neither side.
        let reserved = disk.f_bfree.saturating_sub(disk.f_bavail);
        Self {
            free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
            usable_bytes: disk.f_blocks.saturating_sub(reserved).saturating_mul(disk.f_frsize),
            free_inodes: disk.f_favail,
            inodes: disk.f_files,
        }
    }
}

fn judge(room: &Room, config: &Config) -> Result<(), String> {
    let percent = u64::from(config.min_free_percent.min(100));
    let mebibytes = room.free_bytes >> 20;
    if room.free_bytes < config.min_free_bytes {
        return Err(format!("{mebibytes} MiB are free and a build needs {} MiB", config.min_free_bytes >> 20));
    }
    if room.free_bytes / 100 < (room.usable_bytes / 10_000).saturating_mul(percent) {
        return Err(format!("{mebibytes} MiB are free, less than {percent} % of the disk"));
    }
    // Some filesystems make inodes as they need them and say they have none.
    if room.inodes > 0 && room.free_inodes < room.inodes / 100 * percent {
        return Err(format!("{} inodes are free, less than {percent} % of them", room.free_inodes));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Room, judge};
    use crate::Config;

    const GIB: u64 = 1 << 30;

    fn room() -> Room {
        Room { free_bytes: 50 * GIB, usable_bytes: 100 * GIB, free_inodes: 500, inodes: 1000 }
    }

    #[test]
    fn half_a_disk_is_room_enough() {
        assert_eq!(judge(&room(), &Config::default()), Ok(()));
    }

    #[test]
    fn each_limit_refuses_on_its_own() {
        let config = Config::default();
        let few_bytes = Room { free_bytes: 4 * GIB, usable_bytes: 10 * GIB, ..room() };
        assert!(judge(&few_bytes, &config).unwrap_err().contains("4096 MiB are free and"));
        let small_share = Room { free_bytes: 6 * GIB, usable_bytes: 1000 * GIB, ..room() };
        assert!(judge(&small_share, &config).unwrap_err().contains('%'));
        let few_inodes = Room { free_inodes: 10, ..room() };
        assert!(judge(&few_inodes, &config).unwrap_err().contains("inodes"));
    }

    #[test]
    fn a_filesystem_without_a_count_of_inodes_is_judged_by_bytes() {
        assert_eq!(judge(&Room { free_inodes: 0, inodes: 0, ..room() }, &Config::default()), Ok(()));
    }
}
