//! The host's side of the interface: the functions that a guest can call.

use wasmtime::component::{Linker, Resource, ResourceType, WasmStr};
use wasmtime::{Engine, StoreContextMut};

use crate::state::{Shown, State, Stop};
use crate::wit::{self, Chunk, Level};

/// Everything that a plugin may import, and nothing else.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    add_chunks(&mut linker)?;
    linker.root().func_wrap("log", log)?;
    Ok(linker)
}

fn add_chunks(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut chunks = linker.instance(wit::CHUNKS)?;
    // A handle is a number that lives as long as its instance; there is nothing to clean up.
    chunks.resource("chunk", ResourceType::host::<Chunk>(), |_, _| Ok(()))?;
    chunks.func_wrap("[method]chunk.info", |mut store: Store<'_>, (chunk,): (Handle,)| {
        answer(&mut store, |shown| shown.info(chunk.rep()))
    })?;
    chunks.func_wrap("[method]chunk.fields", |mut store: Store<'_>, (chunk,): (Handle,)| {
        answer(&mut store, |shown| shown.fields(chunk.rep()))
    })?;
    chunks.func_wrap("[method]chunk.focus", |mut store: Store<'_>, (chunk,): (Handle,)| {
        answer(&mut store, |shown| shown.focus(chunk.rep()))
    })?;
    chunks.func_wrap("[method]chunk.moves", |mut store: Store<'_>, (chunk,): (Handle,)| {
        answer(&mut store, |shown| shown.moves(chunk.rep()))
    })?;
    chunks.func_wrap("[method]chunk.nodes", |mut store: Store<'_>, (chunk,): (Handle,)| {
        answer(&mut store, |shown| shown.nodes(chunk.rep()))
    })?;
    chunks.func_wrap("[method]chunk.events", |mut store: Store<'_>, (chunk,): (Handle,)| {
        answer(&mut store, |shown| shown.events(chunk.rep()))
    })?;
    chunks.func_wrap("[method]chunk.element", |mut store: Store<'_>, (chunk, node): (Handle, u32)| {
        answer(&mut store, |shown| shown.element(chunk.rep(), node))
    })
}

type Store<'a> = StoreContextMut<'a, State>;
type Handle = Resource<Chunk>;

fn answer<T>(
    store: &mut Store<'_>,
    getter: impl FnOnce(&mut Shown) -> Result<T, Stop>,
) -> wasmtime::Result<(T,)> {
    let answer = store.data_mut().shown().and_then(getter);
    answer.map(|answer| (answer,)).map_err(wasmtime::Error::new)
}

/// The text stays in the guest's memory unless someone wants to see it.
fn log(mut store: Store<'_>, (level, text): (Level, WasmStr)) -> wasmtime::Result<()> {
    if store.data_mut().log.count(level) {
        let text = text.to_str(&store)?.into_owned();
        let chunk = store.data().shown.as_ref().and_then(Shown::last);
        store.data_mut().log.keep(level, chunk, &text);
    }
    Ok(())
}
