// Links are followed as Back and Forward are, and a page is one step of the browser's history.
//
// Streamlit (1.67) hands controls of the page that a link leaves on to the one that it leads to, and
// leaves what the link does not name on the same page as it was. Going through the history, it
// shows what the address says and nothing else. It adds a step for each address that it corrects.
if (!window.linksAreFollowed) {
  window.linksAreFollowed = true;
  const LINKS = '[data-testid="stPageLink-NavLink"], [data-testid="stSidebarNavLink"]';
  const push = history.pushState.bind(history);
  let uncorrected = null;

  history.pushState = (state, title, address) => {
    const next = new URL(address, location);
    if (next.pathname === location.pathname) {
      uncorrected = location.href;
      history.replaceState(state, title, address);
      return;
    }
    // `st.switch_page` has written the parameters of the next page into the address of this one.
    if (uncorrected && next.search === location.search) history.replaceState({}, "", uncorrected);
    uncorrected = null;
    push(state, title, address);
  };

  addEventListener("popstate", () => { uncorrected = null; });

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.(LINKS);
    const elsewhere = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (!link || elsewhere || link.target === "_blank") return;
    event.preventDefault();
    event.stopPropagation();
    push({}, "", link.href);
    dispatchEvent(new PopStateEvent("popstate", { state: {} }));
  }, true);
}
