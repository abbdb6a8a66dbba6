//! The Lua scripts: one per change of more than one key, so that each happens whole or not at all.

use redis::Script;

macro_rules! scripts {
    ($($name:ident: $file:literal),* $(,)?) => {
        /// Every script, with the common part in front.
        pub(super) struct Scripts {
            $(pub(super) $name: Script,)*
        }

        impl Scripts {
            pub(super) fn new() -> Self {
                Self {
                    $($name: Script::new(concat!(include_str!("scripts/lib.lua"), include_str!(concat!("scripts/", $file)))),)*
                }
            }
        }
    };
}

scripts! {
    submit: "submit.lua",
    claim: "claim.lua",
    renew: "renew.lua",
    finish: "finish.lua",
    release: "release.lua",
    cancel: "cancel.lua",
    forget: "forget.lua",
    append: "append.lua",
    acquire: "acquire.lua",
    hold: "hold.lua",
    session: "session.lua",
    touch: "touch.lua",
}
