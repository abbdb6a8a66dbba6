//! The git wire protocol, version 0: the version every server speaks. Pure: bytes in, values out.
//!
//! | file | concern |
//! |---|---|
//! | `pkt_line.rs` | the framing |
//! | `advertisement.rs` | what a server says it has |
//! | `upload_pack.rs` | what is asked for, and the answer |
//! | `pack_scan.rs` | measuring a pack while it passes, before anything expands it |

mod advertisement;
mod pack_scan;
mod pkt_line;
mod upload_pack;

pub(crate) use advertisement::{AdvertisedRef, Advertisement};
pub(crate) use pack_scan::{PackLimits, PackScan};
pub(crate) use pkt_line::{Packet, PacketReader, frame};
pub(crate) use upload_pack::{WantRequest, receive_pack};
