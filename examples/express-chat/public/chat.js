const list = document.querySelector("#messages");
const form = document.querySelector("#form");

function show({ name, text, at }) {
  const item = document.createElement("li");
  const who = document.createElement("b");
  const when = document.createElement("time");
  who.textContent = name;
  when.dateTime = at;
  when.textContent = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  item.append(who, " ", text, " ", when);
  list.append(item);
  item.scrollIntoView({ block: "end" });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = JSON.stringify(Object.fromEntries(new FormData(form)));
  const answer = await fetch("/messages", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  if (answer.ok) form.text.value = "";
});

for (const message of await (await fetch("/messages")).json()) show(message);
new EventSource("/stream").addEventListener("message", (event) => show(JSON.parse(event.data)));
