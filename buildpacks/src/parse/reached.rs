//! Who needs whom, in a lock file: what some packages lead to.

use std::collections::BTreeSet;

/// The names that `roots` lead to, themselves among them. Every name is asked once for what it needs, so the work grows with the names
/// and needs there are, however they are linked.
pub(crate) fn reached<N, I>(roots: impl IntoIterator<Item = N>, mut needs_of: impl FnMut(&N) -> I) -> BTreeSet<N>
where
    N: Ord + Clone,
    I: IntoIterator<Item = N>,
{
    let mut out: BTreeSet<N> = roots.into_iter().collect();
    let mut waiting: Vec<N> = out.iter().cloned().collect();
    while let Some(name) = waiting.pop() {
        for need in needs_of(&name) {
            if out.insert(need.clone()) {
                waiting.push(need);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::reached;

    #[test]
    fn everything_the_roots_lead_to_is_reached_and_nothing_else() {
        let needs = |name: &u8| match name {
            1 => vec![2, 3],
            3 => vec![1, 4],
            5 => vec![6],
            _ => vec![],
        };
        assert_eq!(reached([1], needs).into_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(reached([], needs).is_empty());
    }

    #[test]
    fn a_name_is_asked_once_however_many_need_it() {
        const MANY: u32 = 100_000;
        let mut asked = 0;
        // Each needs the next, the first and itself.
        let found = reached([0], |name| {
            asked += 1;
            [(name + 1).min(MANY), 0, *name]
        });
        assert_eq!((asked, found.len()), (MANY + 1, MANY as usize + 1));
    }
}
