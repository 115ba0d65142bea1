import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import './styles/base.css';
import './styles/layout.css';
import './styles/chat.css';
import './styles/message.css';
import './styles/parts.css';
import './styles/markdown.css';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);

// Load the Markdown parser while the user writes the first message.
const runWhenIdle = 'requestIdleCallback' in window ? requestIdleCallback : setTimeout;
runWhenIdle(() => import('./markdown/Markdown'));
