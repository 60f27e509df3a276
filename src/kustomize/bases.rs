//! Bases that several builds share: what one made, for as long as what it read stands as it did.
//!
//! A base is made from its own directory alone: the kustomization that includes it has no say,
//! but for the schema and the build metadata that it hands down. Where those are set, or something
//! fetched takes part, nothing is kept.

use std::rc::Rc;
use std::sync::Arc;

use super::accumulator::Accumulator;
use super::build::Build;
use super::loader::Frame;
use super::loader::Load;
use super::loader::Loader;
use super::resmap::ResMap;
use super::schemas::LookedUp;

/// Names a base: its directory, and how files are loaded and shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BaseKey {
    root: String,
    load: Load,
    shown_root: String,
}

/// What a base made.
#[derive(Debug)]
pub(crate) struct KeptBase {
    made: Accumulator,
    frame: Frame,
    looked_up: LookedUp,
}

impl KeptBase {
    pub(crate) fn len(&self) -> usize {
        self.made.map.len()
    }
}

/// A base under way, to be kept when it is whole.
pub(crate) struct Making {
    key: BaseKey,
    fetched_before: usize,
}

/// What the cache knows of a base.
pub(crate) enum Known {
    /// It was made before, and would be made just so again.
    Made(Box<Accumulator>),
    /// It is to be made; [`end`] must be told of the outcome.
    New(Making),
    /// It is to be made, and nothing is to be kept of it.
    Apart,
}

/// Looks a base up, or begins to note what it reads.
pub(crate) fn begin<'t>(build: &Build<'t>, loader: &Rc<Loader<'t>>) -> Known {
    let Some(cache) = build.shared_cache() else { return Known::Apart };
    if build.schemas.is_set() || !loader.tree.is_recorded() || build.is_partial() {
        return Known::Apart;
    }
    let key = BaseKey {
        root: loader.root.clone(),
        load: loader.load,
        shown_root: loader.tree.shown_root.clone(),
    };
    if let Some(kept) = cache.base(&key)
        && kept.len() <= build.options.limits.objects_max
        && loader.tree.is_as_read(&kept.frame.reads)
        // A base further in may contain the kustomization that asks now.
        && kept.frame.roots.iter().all(|root| loader.check_cycle(root).is_ok())
    {
        return Known::Made(Box::new(taken(build, loader, &kept)));
    }
    loader.tree.open_frame();
    Known::New(Making { key, fetched_before: build.fetched() })
}

fn taken<'t>(build: &Build<'t>, loader: &Loader<'t>, kept: &KeptBase) -> Accumulator {
    loader.tree.repeat(&kept.frame);
    build.schemas.repeat(kept.looked_up);
    let objects = kept.made.map.objects().iter().map(|object| object.in_build(&build.schemas));
    Accumulator {
        map: ResMap::of(objects.collect()),
        config: Arc::clone(&kept.made.config),
        vars: kept.made.vars.clone(),
    }
}

/// Ends what [`begin`] began; `made` is `None` when the base failed.
pub(crate) fn end<'t>(
    build: &Build<'t>,
    loader: &Rc<Loader<'t>>,
    making: Making,
    made: Option<&Accumulator>,
) {
    let frame = loader.tree.close_frame();
    let (Some(cache), Some(made)) = (build.shared_cache(), made) else { return };
    let is_own = !build.schemas.is_set() && build.fetched() == making.fetched_before;
    if !is_own || build.is_partial() {
        return;
    }
    let looked_up = build.schemas.looked_up();
    // What is kept must not hold on to this build's schemas.
    let made = Accumulator {
        map: ResMap::of(made.map.objects().iter().map(|o| o.in_build(&Arc::default())).collect()),
        config: Arc::clone(&made.config),
        vars: made.vars.clone(),
    };
    cache.keep_base(making.key, KeptBase { made, frame, looked_up });
}
