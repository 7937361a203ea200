import time
from tests.world import World, pressure
from policies.vocabulary import Category

async def test_smoke(world: World) -> None:
    t=time.time()
    await world.enter("anna")
    print("enter", time.time()-t)
    await world.add("anna","anna",pressure("120","80"))
    print("add", time.time()-t)
    r=await world.read("anna","anna")
    print(len(r.records), time.time()-t)
async def test_smoke2(world: World) -> None:
    t=time.time()
    await world.enter("anna")
    print("enter", time.time()-t)
